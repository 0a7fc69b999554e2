export type {
  CallOptions,
  ClaimResult,
  ConsumerRow,
  Migration,
  MigrationResult,
  OffsetSave,
  ReceiverConfig,
  ReceiverPhase,
  ReceiverRow,
  SaveResult,
  StateStore,
  StoredState,
} from "./state-store.ts";
export { keepEverything, type LifetimeStore, type ReaderRow, type RetentionPolicy, type Sleeper } from "./lifetime-store.ts";
export type { Park, ParkedRow, ParkingStore, ParkResult, RetryingRow } from "./parking-store.ts";
export { OffsetWriter, type OffsetWriterDeps, type Saved } from "./offset-writer.ts";
export { createPostgresStateStore, migrateStateStore } from "./postgres/postgres-state-store.ts";
