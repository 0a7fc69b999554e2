/** For Warren's own simulation: the decisions of a subscription. Not part of the SDK, may change at any time. */
export {
  startSession,
  stepSession,
  type Failure,
  type SessionEffect,
  type SessionInput,
  type SessionState,
  type SessionStep,
} from "./session-machine.ts";
