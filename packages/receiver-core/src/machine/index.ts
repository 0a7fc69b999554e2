export type { PendingMessage } from "./pending-messages.ts";
export { stepConsumer } from "./consumer-machine.ts";
export {
  asleep,
  inFlight,
  type Awake,
  type ConsumerEffect,
  type ConsumerInput,
  type ConsumerState,
  type ConsumerStep,
  type Grant,
  type SessionSpec,
} from "./consumer-state.ts";
export type { KeptName } from "./kept-name.ts";
export {
  startReceiver,
  stepReceiver,
  type ReceiverEffect,
  type ReceiverInput,
  type ReceiverState,
  type ReceiverStep,
} from "./receiver-machine.ts";
export { unwatched, watchChannel, type ChannelView, type ChannelWatch } from "./channel-watch.ts";
export { effectsOf, extendPlan, startPlan, type Reader, type RetentionPlan } from "./retention.ts";
