import { registerHooks } from "node:module";

/** A change to one built file, made while it is loaded: the file itself stays as it is, and nothing shipped knows of it. */
export interface Patch {
  /** For who hears that it is stale. */
  readonly name: string;
  /** Of the built file, from the root of the repository. */
  readonly file: string;
  /** Code that stands there exactly once. One space stands for any white space. */
  readonly find: string;
  readonly replace: string;
}

/** Root of the repository: this file is as deep in `dist` as in `src`. */
export const root = new URL("../../../../", import.meta.url);

/** `text` with the patch. Throws when what it looks for is not there exactly once: the code has changed, the patch is stale. */
export function applyPatch(text: string, { name, file, find, replace }: Patch): string {
  const words = find.trim().split(/\s+/);
  const pattern = new RegExp(words.map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("\\s+"), "g");
  const count = [...text.matchAll(pattern)].length;
  if (count !== 1) throw new Error(`${name} is stale: found ${count} times in ${file}, not once: ${find}`);
  return text.replace(pattern, () => replace);
}

/** From here on this thread loads patched files. Throws, when such a file is loaded, as `applyPatch` does. */
export function registerPatches(patches: readonly Patch[]): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const mine = patches.filter(({ file }) => new URL(file, root).href === url);
      if (mine.length === 0) return loaded;
      return { ...loaded, source: mine.reduce(applyPatch, textOf(loaded.source)) };
    },
  });
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray | undefined): string {
  return typeof source === "string" ? source : new TextDecoder().decode(source);
}
