import { fileURLToPath } from "node:url";

/** File of the built command, also when this one runs from its source. */
export const builtCommand: string = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
