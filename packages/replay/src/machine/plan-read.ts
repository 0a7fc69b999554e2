import type { Offset } from "@warren/protocol";

/** Where a reader finds what it needs next. */
export type ReadPlan = "wait" | "tail" | "log";

/** What a reader knows: `head` newest stored offset, `tailFirst` oldest offset in the receiver's tail (head + 1n when the tail is empty). */
export interface ReadView {
  readonly head: Offset;
  readonly tailFirst: Offset;
}

/**
 * The one rule that serves a woken consumer, a restart, a slow reader and a live one alike: next above head: wait; next in the tail:
 * read the tail; else read the log. Pure, so that check and registration are one synchronous step of whoever calls it.
 */
export function planRead(next: Offset, view: ReadView): ReadPlan {
  if (next > view.head) return "wait";
  return next >= view.tailFirst ? "tail" : "log";
}
