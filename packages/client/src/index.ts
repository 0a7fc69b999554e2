export { isWarrenError, WarrenError, type ErrorCode, type NewEvent, type Offset, type RecordedEvent } from "@warren/protocol";
export { fromConnectError } from "./from-connect-error.ts";
export { createPublisher, type Publisher, type PublisherOptions, type PublishResult } from "./publisher/index.ts";
export {
  createSubscriber,
  type Handler,
  type RunOptions,
  type SubscribedEvent,
  type Subscriber,
  type SubscriberOptions,
  type Subscription,
  type SubscriptionOptions,
  type SubscriptionStatus,
} from "./subscriber/index.ts";
