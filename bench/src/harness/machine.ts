import { spawnSync } from "node:child_process";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { spreadOf } from "./rounds.ts";

/** What figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** File system and kind of the disk that temporary folders are on, as far as the system tells. */
  readonly disk: string;
  /** Median of a small write that is forced to disk there. */
  readonly syncMs: number;
}

/** Looks at the machine; takes a fraction of a second. */
export function lookAtMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    disk: diskOf(tmpdir()),
    syncMs: Math.round(syncMs() * 1000) / 1000,
  };
}

/** Versions of Node and of those packages that are installed. */
export function versionsOf(npmPackages: readonly string[], debianPackages: readonly string[]): Readonly<Record<string, string>> {
  const versions: Record<string, string> = { node: process.version };
  for (const name of debianPackages) {
    const { status, stdout } = spawnSync("dpkg-query", ["-W", "-f=${Version}", name], { encoding: "utf8" });
    if (status === 0 && stdout !== "") versions[name] = stdout;
  }
  // Their own dependencies, and those of the private servers.
  const here = createRequire(import.meta.url);
  const requires = [here, createRequire(here.resolve("@warren/test-servers/package.json"))];
  for (const name of npmPackages) {
    const folders = requires.flatMap((each) => each.resolve.paths(name) ?? []);
    const version = folders.map((folder) => versionIn(join(folder, name, "package.json"))).find((each) => each !== undefined);
    if (version !== undefined) versions[name] = version;
  }
  return versions;
}

/** One line for the head of a report. */
export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryGiB, disk, syncMs: ms, kernel } = machine;
  return `${cores} x ${cpu}, ${memoryGiB} GiB, ${disk} (a forced write takes ${ms.toFixed(2)} ms), Linux ${kernel}`;
}

function versionIn(file: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { readonly version?: string }).version;
  } catch {
    return undefined;
  }
}

function diskOf(folder: string): string {
  const { stdout } = spawnSync("df", ["--output=fstype,source", folder], { encoding: "utf8" });
  const [fileSystem = "unknown file system", device = ""] = (stdout ?? "").trim().split("\n").at(-1)?.split(/\s+/) ?? [];
  const name = device.replace("/dev/", "");
  const disk = blockDevices().find((each) => name.startsWith(each));
  if (disk === undefined) return fileSystem;
  const spins = readFileSync(`/sys/block/${disk}/queue/rotational`, "utf8").trim() === "1";
  return `${fileSystem} on ${disk} (${spins ? "says that it spins" : "solid state"})`;
}

function blockDevices(): readonly string[] {
  try {
    return readdirSync("/sys/block");
  } catch {
    return [];
  }
}

function syncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), "warren-bench-"));
  const file = openSync(join(folder, "file"), "w");
  const block = Buffer.alloc(4096, 1);
  try {
    const times = Array.from({ length: 50 }, (_, i) => {
      const began = performance.now();
      writeSync(file, block, 0, block.length, i * block.length);
      fdatasyncSync(file);
      return performance.now() - began;
    });
    return spreadOf(times).median;
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
}
