// The wire never breaks: compared with the newest release, or before the first one with the last commit.
import { execFileSync, spawnSync } from "node:child_process";

const git = (...args) => execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
let against;
try {
  against = git("describe", "--tags", "--abbrev=0");
} catch {
  against = "HEAD";
}
if (git("ls-tree", "--name-only", against, "proto/") === "") {
  console.log(`${against} has no proto: nothing to compare with`);
  process.exit(0);
}
const { status } = spawnSync("buf", ["breaking", "--against", `.git#ref=${against}`], { stdio: "inherit" });
process.exit(status ?? 1);
