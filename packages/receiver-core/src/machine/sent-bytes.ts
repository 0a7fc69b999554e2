import type { Offset, Settled } from "@warren/protocol";

/*
 * Bytes of events that were sent and are not settled. They are counted in lumps, not per event: the bytes of a lump count until all of it is settled.
 * A lump is a frame or several small ones, so there are at most some 130 of them, whatever the size of the events.
 */

/** Lumps for `max` bytes have at most a 64th of them, or one frame. */
const lumpsPerMax = 64;

/** Consecutive events, sent, of which at least one is not settled. */
export interface SentLump {
  readonly first: Offset;
  readonly last: Offset;
  readonly bytes: number;
}

/** What was sent and is not settled, in order. */
export interface SentBytes {
  readonly lumps: readonly SentLump[];
  readonly total: number;
}

/** Nothing. */
export const nothingSent: SentBytes = { lumps: [], total: 0 };

/** One more frame. It joins the lump before it when both are small and nothing lies between them. */
export function addSent({ lumps, total }: SentBytes, frame: SentLump, max: number): SentBytes {
  const before = lumps.at(-1);
  const joins = before !== undefined && before.last + 1n === frame.first && before.bytes + frame.bytes <= max / lumpsPerMax;
  const joined = joins ? { first: before.first, last: frame.last, bytes: before.bytes + frame.bytes } : frame;
  return { lumps: [...(joins ? lumps.slice(0, -1) : lumps), joined], total: total + frame.bytes };
}

/** Without the lumps that are settled as a whole. */
export function forgetSettled(sent: SentBytes, { mark, ranges }: Settled): SentBytes {
  const kept: SentLump[] = [];
  let total = 0;
  let at = 0;
  for (const lump of sent.lumps) {
    if (lump.last <= mark) continue;
    for (let range = ranges[at]; range !== undefined && range.last < lump.last; range = ranges[at]) at += 1;
    const range = ranges[at];
    const first = lump.first > mark ? lump.first : mark + 1n;
    if (range !== undefined && range.first <= first) continue;
    kept.push(lump);
    total += lump.bytes;
  }
  return kept.length === sent.lumps.length ? sent : { lumps: kept, total };
}
