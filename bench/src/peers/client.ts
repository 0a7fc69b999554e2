/** Where a system is, and how it is to be used: what its client needs, in any process. */
export type Target = Readonly<Record<string, string>>;

/** Names of one measurement: its stream, and its subscribers, each with a position of its own. */
export interface Topic {
  readonly name: string;
  readonly subscribers: readonly string[];
  /** Bytes of an event, on average: some clients can hold only so many bytes at once. */
  readonly eventBytes: number;
}

/** Sends events to one system. */
export interface PeerPublisher {
  /** Sends; calls `settle` when the system says that it has the event. Keeps order. */
  send(payload: Buffer, settle: (error?: Error) => void): void;
  close(): Promise<void>;
}

/** What is done with an event by the subscriber of that index. */
export type Take = (subscriber: number, payload: Uint8Array) => void;

/** The subscribers of a topic. */
export interface PeerSubscribers {
  /** Ends them when what they took is acked: opened again, they go on behind it. */
  close(): Promise<void>;
}

/** One system, used as its own documentation says. */
export interface PeerClient {
  /** Events that may be unconfirmed at once. */
  readonly window: number;
  /** Makes the stream, and the positions. */
  create(target: Target, topic: Topic): Promise<void>;
  openPublisher(target: Target, topic: Topic): Promise<PeerPublisher>;
  /** Resolves when events published from now on arrive at once. */
  openSubscribers(target: Target, topic: Topic, take: Take): Promise<PeerSubscribers>;
  /** Removes the stream and all that belongs to it. */
  remove(target: Target, topic: Topic): Promise<void>;
}

/** A value of a target. Throws when it is missing. */
export function given(target: Target, key: string): string {
  const value = target[key];
  if (value === undefined) throw new Error(`the target says no ${key}`);
  return value;
}
