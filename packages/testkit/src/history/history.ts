/** Offsets `first` to `last`, both included. */
export interface HistoryRange {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * One thing that happened. A history is all of them in the order in which they happened, from the view of publishers and readers, then what the logs hold at the
 * end. It is plain data, so that it can be kept, read again, and broken on purpose.
 *
 * A *reader* is one incarnation of a subscriber's program. What it is handed must be consecutive for as long as it lives, over all its sessions: a program that
 * wants to see what is repeated is another reader each time it opens.
 */
export type HistoryRecord =
  /** `publisher` publishes: its attempts are numbered 1, 2, 3 … in the order in which it makes them. `event` is the event's identity, `digest` its content. */
  | {
      readonly kind: "publish";
      readonly publisher: string;
      readonly attempt: number;
      readonly event: string;
      readonly type: string;
      readonly digest: string;
    }
  /** What became of an attempt. */
  | {
      readonly kind: "outcome";
      readonly publisher: string;
      readonly attempt: number;
      readonly outcome: "ok" | "rejected" | "indeterminate";
    }
  /** From here on the log takes every published event whose type one of the topic patterns matches. */
  | { readonly kind: "log-opened"; readonly log: string; readonly patterns: readonly string[] }
  /** A session of a consumer began: what follows lies above `afterOffset`, except `settled`; without it, except what was acked or parked before. */
  | {
      readonly kind: "opened";
      readonly consumer: string;
      readonly log: string;
      readonly reader: string;
      readonly token: bigint;
      readonly afterOffset: bigint;
      readonly settled?: readonly HistoryRange[];
    }
  /** The application was handed an event. `token`: of the session that it came in, where that is known. */
  | {
      readonly kind: "event";
      readonly reader: string;
      readonly offset: bigint;
      readonly event: string;
      readonly digest: string;
      readonly token?: bigint;
    }
  /** The application is about to say that an event is done. */
  | { readonly kind: "ack"; readonly reader: string; readonly offset: bigint }
  /** The reader was told what is saved: everything up to `upTo`, and these ranges. */
  | {
      readonly kind: "acked";
      readonly reader: string;
      readonly token: bigint;
      readonly upTo: bigint;
      readonly ranges: readonly HistoryRange[];
    }
  /** The reader was told of a loss. */
  | ({ readonly kind: "gap"; readonly reader: string } & HistoryGap)
  /** The application is about to set an event aside: it is settled for its consumer. */
  | { readonly kind: "parked"; readonly reader: string; readonly offset: bigint }
  /** An operator is about to have a parked event of a consumer retried: it comes as a side delivery, off the line of offsets. */
  | { readonly kind: "retried"; readonly consumer: string; readonly offset: bigint }
  /** The application was handed a side delivery. */
  | { readonly kind: "side"; readonly reader: string; readonly offset: bigint; readonly event: string; readonly digest: string }
  /** The application is about to say that a side delivery is done. */
  | { readonly kind: "side-ack"; readonly reader: string; readonly offset: bigint }
  /** The reader was told that a side delivery is settled: it never comes again. */
  | { readonly kind: "side-acked"; readonly reader: string; readonly offset: bigint }
  /** An operator moved a consumer. Its sessions with a greater token begin there; what earlier ones acked counts no more, what they parked stays settled. */
  | { readonly kind: "moved"; readonly consumer: string; readonly token: bigint; readonly afterOffset: bigint }
  /**
   * RabbitMQ was killed about now: what was being published may have reached some of its queues and not the others. To be recorded before and after it: an attempt
   * is excused when the record lies between its beginning and its outcome.
   */
  | { readonly kind: "routing-cut" }
  /** What a process holds, in the quiet before anything was broken and in the quiet at the end: connections, streams, files …; `heapBytes` after a collection. */
  | {
      readonly kind: "resources";
      readonly process: string;
      readonly at: "baseline" | "end";
      readonly counts: Readonly<Record<string, number>>;
      readonly heapBytes?: number;
    }
  /** A process ended. `expected`: we ended it. `how`: its code or signal. */
  | { readonly kind: "process-ended"; readonly process: string; readonly expected: boolean; readonly how: string }
  /** Something that is counted by `sometimes`, and judged by nothing. */
  | { readonly kind: "note"; readonly what: string };

/** A loss that is told: offsets that were removed, or a time after an offset in which events may have passed unseen. */
export type HistoryGap =
  | { readonly what: "pruned"; readonly first: bigint; readonly last: bigint }
  | { readonly what: "missed"; readonly afterOffset: bigint };

/** What a log holds at the end, read from its store. */
export interface FinalLog {
  readonly log: string;
  readonly events: readonly { readonly offset: bigint; readonly event: string; readonly digest: string }[];
  readonly gaps: readonly HistoryGap[];
  /** The commits that made it, in the order of their offsets, where its store keeps them: the offsets of each, and the epoch of who wrote it. */
  readonly commits?: readonly { readonly first: bigint; readonly last: bigint; readonly epoch: bigint }[];
}

/** A run from its beginning to its end. */
export interface History {
  readonly records: readonly HistoryRecord[];
  readonly logs: readonly FinalLog[];
  /** Consumers that must have been handed everything by now. */
  readonly complete: readonly string[];
}

/** The rules that a history may break; the numbers of `checkHistory`. */
export type Rule = "C1" | "C2" | "C3" | "C4" | "C5" | "C6" | "C7" | "C8" | "C10" | "C11" | "C12" | "C13" | "C14";

/** A broken rule, and where. */
export interface Violation {
  readonly rule: Rule;
  readonly text: string;
}
