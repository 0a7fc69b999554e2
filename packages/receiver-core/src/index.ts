export { type EventStanding, type Explanation, type Operations } from "./operations.ts";
export type { ReaderEffect } from "./machine/retention.ts";
export type { SideEvent } from "./machine/sides.ts";
export type {
  AckCommand,
  AckMode,
  ConsumerPhase,
  ConsumerView,
  CoreCounters,
  Frame,
  NewSubscription,
  OnConflict,
  OnGap,
  ParkCommand,
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
