// No file of ours is over 400 lines; generated ones are not ours.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const most = 400;
const files = execFileSync("git", ["ls-files", "-z", "*.ts", "*.tsx", "*.mjs", "*.js", "*.proto", "*.sh"], { encoding: "utf8" })
  .split("\0")
  .filter((file) => file !== "" && !file.includes("/gen/") && !file.startsWith("proto-vendor/"));
const long = files.map((file) => [file, readFileSync(file, "utf8").split("\n").length - 1]).filter(([, lines]) => lines > most);
for (const [file, lines] of long) console.log(`${file} has ${lines} lines, at most ${most} are allowed: split it`);
process.exit(long.length === 0 ? 0 : 1);
