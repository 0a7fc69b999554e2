export type {
  CallOptions,
  ClaimResult,
  ConsumerRow,
  OffsetSave,
  ReceiverConfig,
  ReceiverPhase,
  ReceiverRow,
  SaveResult,
  StateStore,
  StoredState,
} from "./state-store.ts";
