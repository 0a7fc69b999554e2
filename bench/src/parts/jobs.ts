/* What the processes of the bench are told, and what they answer. */

/** What to publish. */
export interface PublishJob {
  readonly amqpUrl: string;
  readonly exchange: string;
  readonly packing: boolean;
  readonly eventBytes: number;
  /** Types of the events: so many in a row of each, then the next one. */
  readonly types: readonly string[];
  readonly run: number;
  readonly events: number;
  /** Events a second, open loop; undefined: as fast as it can, with `window` events under way. */
  readonly rate?: number | undefined;
  readonly window: number;
  /** `each`: a `publish()` for every event; `all`: `publishAll` of 100. */
  readonly call: "each" | "all";
}

/** What became of it. Latency from when an event was to be published to its confirm, in milliseconds. */
export interface Published {
  readonly seconds: number;
  readonly failed: number;
  readonly cpuUs: number;
  readonly peakMiB: number;
  readonly heapMiB: number;
  readonly p50: number;
  readonly p99: number;
}

/** Published before anything is measured, of the first type. */
export const warmEvents = 500;

/** Opens named consumers, each of which reads and acks all that it gets. */
export interface OpenJob {
  readonly subscriptions: readonly { readonly brokerUrl: string; readonly consumer: string; readonly patterns: readonly string[] }[];
}

/** Waits for so many more events, over all consumers. */
export interface TakeJob {
  readonly events: number;
}

/** How long it took, what it cost, and how many events so far were not the next one of their log. */
export interface Taken {
  readonly seconds: number;
  readonly cpuUs: number;
  readonly wrong: number;
}

/** The process that publishes. */
export const publishProcess = new URL("publish-process.ts", import.meta.url);
/** The process that subscribes. */
export const subscribeProcess = new URL("subscribe-process.ts", import.meta.url);
/** Longer than any job takes, in seconds. */
export const patience = 1_800;
