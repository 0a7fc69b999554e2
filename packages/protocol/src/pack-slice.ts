import { must } from "./assert.ts";
import type { EventSlice } from "./event-slice.ts";
import { readText } from "./walker/utf8.ts";

/** What a walk found of an event: where the text of its id lies, and texts that it may share with others. `view`: the same bytes. */
interface Walked {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly idFrom: number;
  readonly idTo: number;
  readonly source: string;
  readonly type: string;
}

/**
 * An event of a pack that passed the walk: places in the pack's body. Views and texts are made anew each time that somebody asks, for most events are stored without:
 * thousands wait for the database at a time, and every collection of garbage goes through what each of them holds.
 */
export class PackSlice implements EventSlice {
  readonly body: Uint8Array;
  /** The same bytes. */
  readonly view: DataView;
  readonly from: number;
  readonly to: number;
  readonly idFrom: number;
  readonly idTo: number;
  readonly source: string;
  readonly type: string;

  constructor(from: number, to: number, { bytes, view, idFrom, idTo, source, type }: Walked) {
    this.body = bytes;
    this.view = view;
    this.from = from;
    this.to = to;
    this.idFrom = idFrom;
    this.idTo = idTo;
    this.source = source;
    this.type = type;
  }

  get bytes(): Uint8Array {
    return this.body.subarray(this.from, this.to);
  }

  get id(): string {
    return must(readText(this.body, this.idFrom, this.idTo), "the id of an event that passed the walk is text");
  }

  /** A pack has the ids of a publisher of ours. */
  get deduplicated(): boolean {
    return true;
  }

  /** Whether it lies right behind this one. */
  follows(other: PackSlice): boolean {
    return this.body === other.body && this.from === other.to;
  }
}

/** How many bytes an event has; no view is made for that. */
export function sizeOf(slice: Pick<EventSlice, "bytes">): number {
  return slice instanceof PackSlice ? slice.to - slice.from : slice.bytes.length;
}
