import type { Offset } from "@warren/protocol";

/*
 * Up to where the keys of stored events may go. What RabbitMQ delivers again is found by its keys, so they stay for as long as that can happen: what a channel
 * before this one had delivered comes first on the new one, and at once; what was acked a moment ago comes again when the ack is lost with the channel. Both are
 * over when the channel has been open for a whole pass of retention, which is longer than a dead connection lives. Pure.
 */

/** The write side at one moment: the open channel (0: none), the newest message delivered on it, the newest one acked, and the head when that was acked. */
export interface ChannelView {
  readonly channel: number;
  readonly deliveredTag: number;
  readonly ackedTag: number;
  readonly ackedHead: Offset;
}

/** What was seen of a channel, pass by pass. */
export interface ChannelWatch {
  readonly channel: number;
  /** Newest message when the channel had been open for a pass: what comes again lies below it. */
  readonly tag: number | undefined;
  /** Head that was acked when this last looked, once all that comes again was acked. */
  readonly head: Offset;
  /** Nothing up to here is delivered again. */
  readonly safeTo: Offset;
}

/** No channel was seen yet. */
export const unwatched: ChannelWatch = { channel: 0, tag: undefined, head: 0n, safeTo: 0n };

/** One look, once in each pass: the first sees the channel, the second what came on it, the third that this was acked; after it a pass is safe with the next. */
export function watchChannel(watch: ChannelWatch, { channel, deliveredTag, ackedTag, ackedHead }: ChannelView): ChannelWatch {
  if (channel === 0 || channel !== watch.channel) return { ...unwatched, channel };
  if (watch.tag === undefined) return { ...watch, tag: deliveredTag };
  return ackedTag < watch.tag ? watch : { ...watch, safeTo: watch.head, head: ackedHead };
}
