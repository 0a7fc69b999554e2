import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Resolves when the machine has written to disk what it keeps in memory to be written: what one contestant leaves behind is not work of the next one. */
export async function settleDisk(): Promise<void> {
  await promisify(execFile)("sync");
}
