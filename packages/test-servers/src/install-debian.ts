import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

const policy = "/usr/sbin/policy-rc.d";

/** Whether packages of Debian can be installed by us: it is a Debian, and we are root. */
export function mayInstallDebian(): boolean {
  return process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
}

/**
 * Installs packages of Debian. Their services are not started: a policy says so while it runs. Waits for others that install. Throws with what apt-get said when
 * it fails; needs `mayInstallDebian`.
 */
export function installDebian(packages: readonly string[]): void {
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const run = (args: readonly string[]): void => {
      const { status, stderr } = spawnSync("apt-get", ["-o", "DPkg::Lock::Timeout=180", ...args], {
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
        stdio: ["ignore", "ignore", "pipe"],
      });
      if (status !== 0) throw new Error(`apt-get ${args[0]} failed: ${stderr.toString().slice(-1_000)}`);
    };
    run(["update", "-qq"]);
    run(["install", "-y", "-qq", "--no-install-recommends", ...packages]);
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}
