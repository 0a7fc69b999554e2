export type { ArchiveAppendResult, ArchivedEvent, ArchiveFilter, ArchiveStore, Position } from "./archive-store.ts";
export { createPostgresArchiveStore, migrateArchive } from "./postgres-archive-store.ts";
