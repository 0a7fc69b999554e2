import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WarrenError } from "@warren/protocol";
import type { ReceiverSchema, Retention, RetentionEffectSchema, RetentionSchema } from "@warren/protocol/v1";
import type { ReaderEffect, ReceiverView } from "@warren/receiver-core";
import { keepEverything, type RetentionPolicy } from "@warren/state-store";
import { toLifetime } from "./open-request.ts";

/** A receiver on the wire. */
export function toReceiver(view: ReceiverView): MessageInitShape<typeof ReceiverSchema> {
  const { config, waitingFor, completeSince, retention, kept, queueDepth, ...rest } = view;
  const { maxAgeMs, maxBytes, untilAcked } = retention;
  const limited = maxAgeMs !== undefined || maxBytes !== undefined || untilAcked;
  return {
    ...rest,
    config: { patterns: [...config.patterns] },
    waitingFor: waitingFor?.message ?? "",
    keptBytes: BigInt(kept.bytes),
    heldBy: [...kept.heldBy],
    heldFromOffset: kept.heldFrom,
    ...(limited ? { retention: fromPolicy(retention) } : {}),
    ...(queueDepth === undefined ? {} : { queueDepth: BigInt(queueDepth) }),
    ...(completeSince === undefined ? {} : { completeSince: timestampFromMs(completeSince) }),
  };
}

/** What a retention means for a consumer, on the wire. */
export function toEffect({ name, mark, asleep, holds, loses }: ReaderEffect): MessageInitShape<typeof RetentionEffectSchema> {
  return { consumer: name, ackedOffset: mark, asleep, holdsEvents: holds, losesEvents: loses };
}

/** Reads a retention; not set is for ever. Throws REQUEST_INVALID. */
export function toPolicy(retention: Retention | undefined): RetentionPolicy {
  if (retention === undefined) return keepEverything;
  const { maxAge, maxBytes, untilAcked, noHold } = retention;
  if (maxBytes < 0n) throw new WarrenError("REQUEST_INVALID", `max_bytes is ${maxBytes}; it must be 0 (no limit) or more`);
  return {
    maxAgeMs: maxAge === undefined ? undefined : toLifetime("max_age", maxAge),
    maxBytes: maxBytes === 0n ? undefined : Number(maxBytes),
    untilAcked,
    hold: !noHold,
  };
}

function fromPolicy({ maxAgeMs, maxBytes, untilAcked, hold }: RetentionPolicy): MessageInitShape<typeof RetentionSchema> {
  return {
    ...(maxAgeMs === undefined ? {} : { maxAge: durationFromMs(maxAgeMs) }),
    maxBytes: BigInt(maxBytes ?? 0),
    untilAcked,
    noHold: !hold,
  };
}
