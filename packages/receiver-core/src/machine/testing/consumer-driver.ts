import { WarrenError, type EncodedBatch, type Settled } from "@warren/protocol";
import { stepConsumer } from "../consumer-machine.ts";
import { asleep, type ConsumerEffect, type ConsumerInput, type ConsumerState, type Grant, type SessionSpec } from "../consumer-state.ts";

/** A mark and ranges. */
export const settled = (mark: bigint, ...ranges: readonly (readonly [bigint, bigint])[]): Settled => ({
  mark,
  ranges: ranges.map(([first, last]) => ({ first, last })),
});

const text = ({ mark, ranges }: Settled): string => [`${mark}`, ...ranges.map(({ first, last }) => `${first}-${last}`)].join(" ");

/** What a session asks for. */
export const spec = (sessionId: string, more: Partial<SessionSpec> = {}): SessionSpec => ({
  sessionId,
  instanceId: "",
  onConflict: "standby",
  onGap: "jump",
  ackMode: "explicit",
  maxInFlight: 100,
  maxInFlightBytes: 1_000_000,
  sessionTimeoutMs: 60_000,
  ...more,
});

/** What the store grants. */
export const grant = (more: Partial<Grant> = {}): Grant => ({
  token: 1n,
  settled: settled(0n),
  moves: 0n,
  paused: undefined,
  retrying: false,
  resumed: false,
  receiverKey: "key",
  logId: "log",
  migratedFrom: "",
  head: 0n,
  tailFirst: 1n,
  gaps: [],
  ...more,
});

/** A stored segment. */
export const segment = (firstOffset: bigint, count: number, size = 10): EncodedBatch => ({
  firstOffset,
  count,
  bytes: new Uint8Array(count * size),
  eventEnds: Uint32Array.from({ length: count }, (_, i) => (i + 1) * size),
  recordedAt: 0,
});

/** Drives one consumer and keeps what it decided, in short words. */
export class Driver {
  state: ConsumerState = asleep(settled(0n));
  now = 0;

  do(...inputs: readonly ConsumerInput[]): string[] {
    return inputs.flatMap((input) => {
      const step = stepConsumer(this.state, input, this.now);
      this.state = step.state;
      return step.effects.map(words);
    });
  }

  /** Opens session `s`, granted as given. */
  awake(given: Partial<Grant> = {}, session: Partial<SessionSpec> = {}): this {
    this.do({ kind: "open", session: spec("s", session) }, { kind: "claimed", sessionId: "s", grant: grant(given) });
    return this;
  }
}

function words(effect: ConsumerEffect): string {
  switch (effect.kind) {
    case "emit": {
      const { frame } = effect;
      if (frame.kind === "batch")
        return `batch ${frame.batch.firstOffset + BigInt(frame.from)}-${frame.batch.firstOffset + BigInt(frame.to - 1)}`;
      if (frame.kind === "gap")
        return frame.gap.kind === "pruned" ? `gap ${frame.gap.firstOffset}-${frame.gap.lastOffset}` : `gap after ${frame.gap.afterOffset}`;
      if (frame.kind === "caught-up" || frame.kind === "fell-behind") return `${frame.kind} ${frame.offset}`;
      if (frame.kind === "side") return `side ${frame.side.deliveryId}`;
      if (frame.kind === "acked") return ["acked", text(frame.settled), ...frame.deliveryIds.map((id) => `side ${id}`)].join(" ");
      return `${frame.kind} ${effect.sessionId}`;
    }
    case "claim":
      return `claim ${effect.session.sessionId}`;
    case "end":
      return `end ${effect.sessionId} ${effect.error?.code ?? "ok"}`;
    case "read-log":
      return `read-log after ${effect.afterOffset}`;
    case "read-tail":
      return `read-tail ${effect.offset}`;
    case "save":
      return `save ${text(effect.settled)} as ${effect.token}`;
    case "load-sides":
      return `load-sides after ${effect.afterDeliveryId}`;
    case "settle-sides":
      return `settle-sides ${effect.deliveryIds.join(",")}`;
    case "pause":
      return "pause";
    case "claim-later":
      return `claim-later ${effect.afterMs}`;
    case "slept":
      return `slept ${effect.reason}`;
    case "woke":
    case "stand-by":
    case "retry-read":
      return `${effect.kind} ${effect.sessionId}`;
  }
}

/** Session `s` wants a frame. */
export const pull: ConsumerInput = { kind: "pull", sessionId: "s" };
/** Session `s` acks up to an offset, and ranges. */
export const ack = (upTo: bigint, ...ranges: readonly (readonly [bigint, bigint])[]): ConsumerInput => ({
  kind: "ack",
  sessionId: "s",
  upTo,
  ranges: ranges.map(([first, last]) => ({ first, last })),
  deliveryIds: [],
});
/** What was read for session `s`. */
export const segments = (...given: readonly EncodedBatch[]): ConsumerInput => ({ kind: "segments", sessionId: "s", segments: given });
/** The store is away. */
export const away = new WarrenError("STORE_UNAVAILABLE", "away");
