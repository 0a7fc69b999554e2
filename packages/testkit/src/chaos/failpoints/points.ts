/** A named place in the built code at which a process can be made to fail. */
export interface Failpoint {
  readonly name: string;
  /** Of the repository. */
  readonly file: string;
  /** Text of the built file. It must be there exactly once: a place that is gone is an error, and never a failpoint that is never hit. */
  readonly find: string;
  /** What is put before it, or, with `replace`, in its place. `$hit` hits the failpoint. */
  readonly insert: string;
  readonly replace?: true;
  /** The place cannot wait: `delay` is not possible there. */
  readonly synchronous?: true;
}

const writer = "packages/receiver-core/dist/receiver-writer.js";
const consumer = "packages/receiver-core/dist/consumer.js";
const offsets = "packages/state-store/dist/offset-writer.js";
const publisher = "packages/transport/dist/amqp/amqp-publisher.js";

/**
 * Every failpoint. `rx` is a receiver's write side, `cs` a consumer's session, `ar` the archiver, `sdk` a publisher (of the SDK, and of PublishService), `mig` the
 * migrations of a start. There is none in a re-emit, which does not exist yet.
 */
export const failpoints: readonly Failpoint[] = [
  /** A message came; nothing is known of it yet. */
  { name: "rx.delivered", file: writer, find: "const message = pendingMessage(", insert: "$hit; ", synchronous: true },
  { name: "rx.before_append", file: writer, find: "const request = { receiverId", insert: "await $hit; " },
  /** The append is on its way: it is one statement, so whether it is committed only PostgreSQL knows. */
  {
    name: "rx.after_append_before_commit",
    file: writer,
    find: "const result = await this.#deps.log.append(request);",
    insert:
      "const underWay = this.#deps.log.append(request); underWay.catch(() => undefined); await new Promise((resolve) => setTimeout(resolve, 1)); await $hit; const result = await underWay;",
    replace: true,
  },
  /** Stored; neither acked to RabbitMQ nor given to anyone. */
  { name: "rx.after_commit_before_ack", file: writer, find: 'if (result.kind === "refused")', insert: "await $hit; " },
  /** The ack is written, perhaps not yet sent. */
  { name: "rx.after_ack_before_fanout", file: writer, find: "this.tail.push(segment);", insert: "$hit; ", synchronous: true },
  /** Between one consumer's frame and the next one's. */
  {
    name: "rx.mid_fanout",
    file: consumer,
    find: "this.#sessions?.get(effect.sessionId)?.stream.push(frame);",
    insert: "$hit; ",
    synchronous: true,
  },
  { name: "rx.after_lease_take", file: writer, find: "const gaps = await log.gaps(receiverId", insert: "await $hit; " },
  {
    name: "rx.lease_renew",
    file: writer,
    find: "const { epoch, headOffset } = await this.#deps.log.status(this.#row.receiverId, {",
    insert: "await $hit; ",
  },
  {
    name: "cs.after_claim",
    file: "packages/receiver-core/dist/receiver.js",
    find: 'if (claimed.kind === "retired")',
    insert: "await $hit; ",
  },
  { name: "cs.chunk_requested", file: consumer, find: "const result = await readChunk(", insert: "await $hit; " },
  /** A chunk was read, and nothing of it was given on. */
  { name: "cs.mid_chunk", file: consumer, find: "const [first] = result.segments;", insert: "await $hit; " },
  {
    name: "cs.before_live_switch",
    file: consumer,
    find: 'if (frame.kind === "batch")',
    insert: 'if (frame.kind === "caught-up") $hit; ',
    synchronous: true,
  },
  { name: "cs.before_offset_save", file: offsets, find: "const results = await store.saveOffsets(saves);", insert: "await $hit; " },
  /** Saved, and nobody was told. */
  { name: "cs.after_offset_save", file: offsets, find: 'this.#dispatch({ kind: "saved", results });', insert: "await $hit; " },
  {
    name: "ar.after_commit_before_ack",
    file: "apps/archiver/dist/archive-writer.js",
    find: "const { stored, repeats, conflicts } = result;",
    insert: "await $hit; ",
  },
  { name: "sdk.before_confirm", file: publisher, find: 'this.#dispatch({ kind: "confirmed", seq });', insert: "$hit, ", synchronous: true },
  /** RabbitMQ said that no queue takes it; its ack follows. */
  {
    name: "sdk.after_return",
    file: publisher,
    find: 'this.#dispatch({ kind: "returned", seq: Number(message.properties.correlationId) })',
    insert: '($hit, this).#dispatch({ kind: "returned", seq: Number(message.properties.correlationId) })',
    replace: true,
    synchronous: true,
  },
  /** The tables of one package are made or changed, those of the next are not. */
  { name: "mig.between_steps", file: "packages/postgres/dist/migrate.js", find: "if (error !== undefined)", insert: "await $hit; " },
];
