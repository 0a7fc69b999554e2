/** For Warren's own simulation: the decisions of a publisher. May change at any time. */
export {
  emptyWindow,
  stepWindow,
  type WindowEffect,
  type WindowInput,
  type WindowOutcome,
  type WindowState,
  type WindowStep,
} from "./confirm-window.ts";
