// Generated code is what the protos say: generated again beside it, and compared.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folders = [
  ["buf.gen.yaml", "packages/protocol/src/gen"],
  ["buf.gen.vendor.yaml", "packages/service/src/gen"],
];
const run = (command, args) => spawnSync(command, args, { stdio: "inherit" }).status === 0;
const kept = mkdtempSync(join(tmpdir(), "warren-generated-"));
let ok = true;
for (const [index, [template, folder]] of folders.entries()) {
  const copy = join(kept, String(index));
  cpSync(folder, copy, { recursive: true });
  ok = run("buf", ["generate", "--template", template]) && run("diff", ["-r", copy, folder]) && ok;
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true });
}
rmSync(kept, { recursive: true });
if (!ok) console.log("run `pnpm run generate` and commit what changes");
process.exit(ok ? 0 : 1);
