/** How a publisher sends. */
export type PublisherWay = "sdk" | "foreign" | "broker";

/** A publisher of the workload; one program each. */
export interface PublisherSpec {
  readonly name: string;
  /** `sdk`: packs over AMQP. `foreign`: plain messages over AMQP, without the SDK. `broker`: through the broker's PublishService. */
  readonly way: PublisherWay;
  /** As it reaches RabbitMQ, or the broker. */
  readonly url: string;
  readonly exchange: string;
  readonly types: readonly string[];
  /** Type of the events of a burst: all of them go into the same logs. */
  readonly burstType: string;
  readonly seed: number;
  /** Events of a batch, and the rest after it in milliseconds. */
  readonly batch: number;
  readonly restMs: number;
}

/** How a reader behaves. */
export type Habit =
  /** One program that stays, and acks each event at once. */
  | "steady"
  /** As `steady`, with a little work before each ack. */
  | "slow"
  /** As `steady`; acks out of order. */
  | "shuffler"
  /** Leaves after some events, the last of them un-acked, and comes again at once as another program. */
  | "flapper"
  /** As `flapper`, and stays away for some seconds. */
  | "sleeper"
  /** Takes the name over from whoever has it, again and again. */
  | "taker"
  /** Waits for its turn when another program has the name. */
  | "standby"
  /** Without a name, and without acks. */
  | "ephemeral";

/** A reader of the workload. */
export interface ReaderSpec {
  /** Consumer name. An ephemeral one has none: in the history each of its programs is a consumer of its own, see `ephemeralName`. */
  readonly consumer: string;
  /** The log that its patterns read, as the history calls it. */
  readonly log: string;
  readonly patterns: readonly string[];
  readonly habit: Habit;
}

/** A program of readers. */
export interface ReadersSpec {
  readonly name: string;
  readonly brokerUrl: string;
  readonly readers: readonly ReaderSpec[];
  readonly seed: number;
}

/** The consumer that the history knows an ephemeral reader by: a program that was killed and comes again begins at the newest event, as another one. */
export function ephemeralName(consumer: string, program: string, incarnation: number): string {
  return `${consumer}/${program}.${incarnation}`;
}

/** What a program of the workload is told when it starts. */
export type WorkerSpec = ({ readonly kind: "publisher" } & PublisherSpec) | ({ readonly kind: "readers" } & ReadersSpec);

/** What it is given as argument. */
export interface WorkerStart {
  readonly spec: WorkerSpec;
  /** Folder of the journals. */
  readonly folder: string;
  /** 1 when it runs for the first time. */
  readonly incarnation: number;
}

/** What it is told later. `hurry`: no more leaving, sleeping and dawdling. `burst`: publish some large events at once. `stop`: finish what is under way and end. */
export type WorkerCommand = "hurry" | "burst" | "stop";

/** What it tells from time to time. */
export interface WorkerProgress {
  /** Its readers have been opened once, or wait for their turn. */
  readonly ready: boolean;
  /** Events published with outcome ok. */
  readonly published: number;
  /** Events handed over. */
  readonly taken: number;
  /** By consumer: the newest offset handed over. */
  readonly offsets: Readonly<Record<string, string>>;
}
