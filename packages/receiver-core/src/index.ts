export type {
  AckMode,
  ConsumerPhase,
  ConsumerView,
  CoreCounters,
  Frame,
  NewSubscription,
  OnConflict,
  ReceiverView,
  Session,
  StartFrom,
  StopReason,
  StopSubscriber,
  Subscriptions,
} from "./subscription.ts";
export { configKey, queueName } from "./config-key.ts";
export type { CoreDeps, CoreOptions } from "./core-deps.ts";
export { ReceiverManager } from "./receiver-manager.ts";
export { noArchive, type PastProbe } from "./start-offset.ts";
