import { startSession, stepSession, type SessionEffect, type SessionInput, type SessionState } from "@warren/client/machine";
import { covers, settle, type ErrorCode, type Offset, type Settled } from "@warren/protocol";
import type { Frame, OnConflict, OnGap } from "@warren/receiver-core";
import type { NameJudge } from "./name-judge.ts";
import type { SimBroker } from "./sim-broker.ts";
import { sameBytes } from "./sim-event.ts";
import { ProgramStream } from "./program-stream.ts";
import { rule } from "./violation.ts";
import type { World } from "./world.ts";

/** Events that a session may have in flight. */
const maxInFlight = 4;

/** An event that the application has and did not settle. */
interface Handed {
  readonly offset: Offset;
  readonly moves: bigint;
}

/** One program that subscribes under a name: the SDK's session as shipped, and an application that checks all it is handed. */
export class SimProgram {
  readonly name: string;
  readonly receiverKey: string;
  readonly instance: string;
  readonly onConflict: OnConflict;
  readonly judge: NameJudge;
  readonly #world: World;
  #state: SessionState;
  #stream: ProgramStream | undefined;
  #wantsStream = false;
  #onGap: OnGap;
  readonly #maxInFlightBytes: number;
  /** What this incarnation was told not to expect: settled before it, or gone. */
  #excused: Settled = { mark: 0n, ranges: [] };
  #last: Offset = 0n;
  #moves = 0n;
  #handed: Handed[] = [];
  readonly #sides = new Set<bigint>();
  #sidesOpen: bigint[] = [];
  running = true;

  constructor(world: World, judge: NameJudge, receiverKey: string, instance: string, onConflict: OnConflict, onGap: OnGap) {
    this.#world = world;
    this.judge = judge;
    this.name = judge.name;
    this.receiverKey = receiverKey;
    this.instance = instance;
    this.onConflict = onConflict;
    this.#onGap = onGap;
    this.#maxInFlightBytes = world.random.chance(0.5) ? 60 : 1000;
    const { state, effects } = startSession();
    this.#state = state;
    for (const effect of effects) this.#run(effect);
  }

  get connected(): boolean {
    return this.#stream !== undefined;
  }

  get brokerUp(): boolean {
    return this.#stream?.broker.up !== false;
  }

  /** The process dies, or is started again: a new incarnation remembers nothing. */
  restart(): void {
    this.#stream?.leave();
    this.#stream = undefined;
    this.#excused = { mark: 0n, ranges: [] };
    this.#last = 0n;
    this.#handed = [];
    this.#sides.clear();
    this.#sidesOpen = [];
    this.running = true;
    const { state, effects } = startSession();
    this.#state = state;
    for (const effect of effects) this.#run(effect);
  }

  /** Opens the stream that the SDK wants. */
  connect(broker: SimBroker): void {
    if (!this.#wantsStream || this.#stream !== undefined) return;
    this.#wantsStream = false;
    const { logId, done, moves } = this.#state;
    const known = logId === "" ? undefined : { offset: done.mark, moves };
    const spec = {
      sessionId: `s${this.#world.nextNumber()}`,
      instanceId: this.instance,
      onConflict: this.onConflict,
      onGap: this.#onGap,
      ackMode: "explicit" as const,
      maxInFlight,
      maxInFlightBytes: this.#maxInFlightBytes,
      sessionTimeoutMs: 60,
    };
    const stream: ProgramStream = new ProgramStream(this.#world, broker, this.receiverKey, this.name, spec.sessionId, {
      frame: (frame) => this.#stream === stream && this.#frame(frame),
      ended: (code) => this.#stream === stream && this.#ended(code),
    });
    this.#stream = stream;
    stream.open({ spec, known });
  }

  /** The connection breaks; `told`: the broker hears of it. */
  cut(told: boolean): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (told) stream.leave();
    else stream.vanish();
    this.#ended("TRANSPORT_UNAVAILABLE");
  }

  /** The application settles something. */
  act(heal: boolean): void {
    const { random } = this.#world;
    const side = this.#sidesOpen.shift();
    if (side !== undefined) return this.#settleSide(side, heal);
    if (this.#handed.length === 0 || (!heal && random.chance(0.3))) return undefined;
    const at = heal || random.chance(0.7) ? 0 : random.below(this.#handed.length);
    const [event] = this.#handed.splice(at, 1);
    if (event === undefined) return undefined;
    const { offset, moves } = event;
    if (!heal && random.chance(this.#world.failures)) {
      this.judge.parks(moves, offset);
      this.#input({ kind: "failed", offset, moves, failure: { reason: "simulated", attempts: 1 } });
      return undefined;
    }
    this.judge.done(moves, offset);
    this.#input({ kind: "done", ranges: [{ first: offset, last: offset }], moves });
    return undefined;
  }

  #settleSide(deliveryId: bigint, heal: boolean): void {
    const fails = !heal && this.#world.random.chance(0.2);
    if (fails) this.#input({ kind: "side-failed", deliveryId, failure: { reason: "simulated", attempts: 2 } });
    else this.#input({ kind: "side-done", deliveryId });
  }

  #input(input: SessionInput): readonly SessionEffect[] {
    this.#world.stepped();
    const { state, effects } = stepSession(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#run(effect);
    return effects;
  }

  #run(effect: SessionEffect): void {
    const stream = this.#stream;
    switch (effect.kind) {
      case "connect":
        this.#wantsStream = true;
        return;
      case "connect-later":
        this.#world.network.timer(
          `due-${this.instance}`,
          () => this.running,
          2,
          () => this.#input({ kind: "due" }),
        );
        return;
      case "ack":
        return stream?.toName((name) => name.ack(stream.sessionId, effect.settled, []));
      case "park":
        return stream?.toName((name) => name.park(stream.sessionId, effect.offset));
      case "ack-side":
        return stream?.toName((name) => name.ack(stream.sessionId, { mark: 0n, ranges: [] }, [effect.deliveryId]));
      case "park-side":
        return stream?.toName((name) => name.parkSide(stream.sessionId, effect.deliveryId));
      case "drop-stream":
        this.#world.cover("stale-token-dropped");
        stream?.leave();
        return this.#ended(undefined);
      case "finish":
        this.running = false;
        this.#world.cover(`finished-${effect.code ?? "closed"}`);
        // Whoever is told of a gap and does not want to go on is started again by someone who does.
        if (effect.code === "GAP_MET") this.#onGap = "jump";
        return;
      case "hand-over":
      case "hand-side":
      case "end-stream":
    }
  }

  #ended(code: ErrorCode | undefined): void {
    this.#stream = undefined;
    this.#input({ kind: "ended", code });
  }

  #frame(frame: Frame): void {
    switch (frame.kind) {
      case "opened":
        return this.#opened(frame);
      case "batch":
        return this.#batch(frame);
      case "gap": {
        const { gap } = frame;
        if (gap.kind === "missed") return void this.judge.toldMissed.add(gap);
        const range = { first: gap.firstOffset, last: gap.lastOffset };
        this.#excused = settle(this.#excused, range);
        this.judge.gone(this.#moves, range);
        this.#input({ kind: "skipped", firstOffset: range.first, lastOffset: range.last });
        return undefined;
      }
      case "acked":
        this.judge.acked(this.#state.newestToken, this.#moves, frame.settled, frame.deliveryIds);
        this.#input({ kind: "acked", settled: frame.settled, deliveryIds: frame.deliveryIds });
        return undefined;
      case "side":
        return this.#side(frame.side.deliveryId, frame.side.batch.firstOffset);
      case "refused":
        if (frame.what !== undefined && "offset" in frame.what) this.#input({ kind: "park-refused", offset: frame.what.offset });
        return undefined;
      case "standby":
        this.#input({ kind: "standby" });
        return undefined;
      default:
    }
  }

  #opened({ sessionToken: token, settled, moves, logId, resumed }: Extract<Frame, { kind: "opened" }>): void {
    const { newestToken } = this.#state;
    if (this.judge.opened(token, moves, settled)) {
      if (settled.ranges.length > 0) this.#world.cover("opened-with-ranges");
      if (!resumed) this.#world.cover("new-name");
    }
    if (token > newestToken) {
      if (moves !== this.#moves) {
        this.#world.cover("opened-after-move");
        this.#last = settled.mark;
        this.#excused = { mark: 0n, ranges: [] };
      }
      this.#moves = moves;
      this.#excused = [{ first: 1n, last: settled.mark }, ...settled.ranges].filter(({ last }) => last > 0n).reduce(settle, this.#excused);
    }
    this.#input({ kind: "opened", token, logId, afterOffset: settled.mark, settled: settled.ranges, moves });
  }

  #batch({ batch, from, to }: Extract<Frame, { kind: "batch" }>): void {
    rule(from < to, "W5: a frame of events has events");
    const firstOffset = batch.firstOffset + BigInt(from);
    this.#checkWindow(batch.firstOffset + BigInt(to - 1));
    const effects = this.#input({ kind: "batch", firstOffset, count: to - from });
    const handOver = effects.find((effect) => effect.kind === "hand-over");
    for (let index = from + (handOver?.from ?? to); index < to; index += 1) {
      const start = index === 0 ? 0 : (batch.eventEnds[index - 1] ?? 0);
      this.#hand(batch.firstOffset + BigInt(index), batch.bytes.subarray(start, batch.eventEnds[index]));
    }
  }

  /** W8: what this session was sent and did not settle. */
  #checkWindow(last: Offset): void {
    const { ackSent, parksSent, saved } = this.#state;
    const unsettled: Offset[] = [];
    for (let offset = ackSent.mark + 1n; offset <= last; offset += 1n) {
      const one = { mark: 0n, ranges: [{ first: offset, last: offset }] };
      if (!parksSent.has(offset) && !covers(ackSent, one) && !covers(saved, one)) unsettled.push(offset);
    }
    const log = this.#world.log(this.receiverKey);
    const bytes = unsettled.reduce((sum, offset) => sum + log.at(offset).bytes.length, 0);
    const within = unsettled.length <= maxInFlight && bytes <= this.#maxInFlightBytes;
    rule(within || unsettled.length === 1, `W8: ${this.name} has ${unsettled.length} events in flight, of ${bytes} bytes`);
  }

  /** W1 and W5: it is stored, it is what the log holds, and nothing between it and the one before is left out. */
  #hand(offset: Offset, bytes: Uint8Array): void {
    const slice = this.#world.log(this.receiverKey).at(offset);
    rule(sameBytes(bytes, slice.bytes), `W5: ${this.name} is handed another event at ${offset} than the log has`);
    rule(offset > this.#last, `W5: ${this.name} is handed ${offset} after ${this.#last}`);
    const one = { first: offset, last: offset };
    rule(!covers(this.#excused, { mark: 0n, ranges: [one] }), `W5: ${this.name} is handed ${offset}, which is settled or gone`);
    const before = { first: this.#last + 1n, last: offset - 1n };
    rule(
      before.last < before.first || covers(this.#excused, { mark: 0n, ranges: [before] }),
      `W5: ${this.name} is handed ${offset} after ${this.#last}: what lies between was skipped`,
    );
    this.#last = offset;
    this.judge.handed(offset);
    this.#handed.push({ offset, moves: this.#moves });
  }

  #side(deliveryId: bigint, offset: Offset): void {
    this.judge.side(this.#state.newestToken, deliveryId, offset);
    const effects = this.#input({ kind: "side", deliveryId });
    if (!effects.some((effect) => effect.kind === "hand-side")) return;
    rule(!this.#sides.has(deliveryId), `W5: side delivery ${deliveryId} was handed over twice`);
    this.#sides.add(deliveryId);
    this.#sidesOpen.push(deliveryId);
  }
}
