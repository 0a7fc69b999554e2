export { createArchiver, openArchiver, type Archiver, type ArchiverParts } from "./composition-root.ts";
export { readArchiverConfig, type ArchiverConfig } from "./config.ts";
