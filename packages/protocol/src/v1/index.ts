// The generated messages and services of package warren.v1, by name.
export * from "../gen/warren/v1/admin_pb.ts";
export * from "../gen/warren/v1/archive_pb.ts";
export * from "../gen/warren/v1/event_pb.ts";
export * from "../gen/warren/v1/publish_pb.ts";
export * from "../gen/warren/v1/subscription_pb.ts";
// What the SDK reads of the stream; nothing else speaks it.
export { FrameSchema, type Frame, type SideFrame } from "../gen/warren/client/v1/frame_pb.ts";
