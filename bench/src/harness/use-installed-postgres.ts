import { installDebian, installedPostgresBin, mayInstallDebian, postgresBinVariable } from "@warren/test-servers";

/**
 * Has all private servers of this run be Debian's PostgreSQL, as operators run it: the embedded one is built without lz4. Installs it when we may; says so when the embedded
 * one is taken.
 */
export function useInstalledPostgres(say: (line: string) => void): void {
  if (process.env[postgresBinVariable] !== undefined) return;
  if (installedPostgresBin() === undefined && mayInstallDebian()) {
    say("installing postgresql from Debian");
    installDebian(["postgresql"]);
  }
  const bin = installedPostgresBin();
  if (bin === undefined) return say("PostgreSQL is not installed: the embedded one is taken, which cannot compress with lz4");
  process.env[postgresBinVariable] = bin;
}
