import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { isWarrenError } from "@warren/protocol";
import { AckMode, OnConflict, OnGap, OpenSchema, type OnConfigChange } from "@warren/protocol/v1";
import { describe, expect, test } from "vitest";
import { toNewSubscription } from "./open-request.ts";

const now = Date.UTC(2026, 0, 1);
const read = (open: MessageInitShape<typeof OpenSchema>) => toNewSubscription(create(OpenSchema, open), "ex", now);
const receiver = { patterns: ["a.#"] };

describe("an open request", () => {
  test("gets the defaults of the contract", () => {
    expect(read({ consumer: "billing", receiver })).toEqual({
      consumer: "billing",
      config: { exchange: "ex", patterns: ["a.#"] },
      start: { kind: "latest" },
      maxInFlight: 1024,
      maxInFlightBytes: 16 * 1024 * 1024,
      onConfigChange: "fail",
      onConflict: "standby",
      onGap: "jump",
      ackMode: "explicit",
      sessionTimeoutMs: 60_000,
      expireAfterMs: undefined,
      known: undefined,
      instanceId: "",
    });
  });

  test("says what it was asked", () => {
    const asked = read({
      receiver,
      start: { start: { case: "afterOffset", value: 7n } },
      maxInFlight: 10_000,
      onConflict: OnConflict.TAKE_OVER,
      ackMode: AckMode.AUTO,
      sessionTimeout: { seconds: 5n, nanos: 500_000_000 },
      onGap: OnGap.FAIL,
      expireAfter: { seconds: 86_400n, nanos: 0 },
      knownLogId: "log",
      knownOffset: 3n,
      instanceId: "i",
    });
    expect(asked).toMatchObject({
      consumer: "",
      start: { kind: "after-offset", afterOffset: 7n },
      maxInFlight: 10_000,
      onConflict: "take-over",
      ackMode: "auto",
      sessionTimeoutMs: 5_500,
      onGap: "fail",
      expireAfterMs: 86_400_000,
      known: { logId: "log", offset: 3n },
      instanceId: "i",
    });
    expect(read({ receiver, start: { start: { case: "time", value: { seconds: BigInt(now / 1000) } } } }).start).toEqual({
      kind: "time",
      time: now,
    });
  });

  test.each(["__proto__", "constructor", "' OR 1=1--", "${x}", "Ünïcode ✓"])("takes the name %s as it is", (consumer) => {
    expect(read({ consumer, receiver }).consumer).toBe(consumer);
  });

  const patterns = (...list: string[]) => ({ receiver: { patterns: list } });
  const time = (seconds: bigint) => ({ receiver, start: { start: { case: "time" as const, value: { seconds } } } });
  test.each<[string, MessageInitShape<typeof OpenSchema>, string]>([
    ["a name that is too long", { consumer: "x".repeat(201), receiver }, "NAME_INVALID"],
    ["a name with a control character", { consumer: "a\u0000b", receiver }, "NAME_INVALID"],
    ["a name with a change of writing direction", { consumer: "a\u202eb", receiver }, "NAME_INVALID"],
    ["a name with a line separator", { consumer: "a\u2028b", receiver }, "NAME_INVALID"],
    ["a name with a space at its end", { consumer: "a ", receiver }, "NAME_INVALID"],
    ["a name that is not NFC", { consumer: "e\u0301", receiver }, "NAME_INVALID"],
    ["no receiver", { consumer: "a" }, "PATTERN_INVALID"],
    ["no patterns", patterns(), "PATTERN_INVALID"],
    ["33 patterns", patterns(...Array.from({ length: 33 }, (_, i) => `p${i}`)), "PATTERN_INVALID"],
    ["an empty pattern", patterns(""), "PATTERN_INVALID"],
    ["three #", patterns("#.a.#.b.#"), "PATTERN_INVALID"],
    ["#.#", patterns("#.#"), "PATTERN_INVALID"],
    ["an empty word", patterns("a..b"), "PATTERN_INVALID"],
    ["a space in a pattern", patterns("a b"), "PATTERN_INVALID"],
    ["a pattern of 256 bytes", patterns("x".repeat(256)), "PATTERN_INVALID"],
    ["17 words", patterns(Array.from({ length: 17 }, () => "a").join(".")), "PATTERN_INVALID"],
    ["a filter", { receiver: { patterns: ["a"], filter: "true" } }, "NOT_SUPPORTED"],
    ["a window above the limit", { receiver, maxInFlight: 10_001 }, "REQUEST_INVALID"],
    ["a window of bytes above the limit", { receiver, maxInFlightBytes: 268_435_457 }, "REQUEST_INVALID"],
    ["an on_config_change that is not known", { receiver, onConfigChange: 9 as OnConfigChange }, "REQUEST_INVALID"],
    ["a negative start", { receiver, start: { start: { case: "afterOffset", value: -1n } } }, "REQUEST_INVALID"],
    ["a start in the future", time(BigInt(now / 1000) + 301n), "REQUEST_INVALID"],
    ["a start in the year 10000", time(253_402_300_800n), "REQUEST_INVALID"],
    ["a start before the year 1", time(-62_135_596_801n), "REQUEST_INVALID"],
    ["a negative known offset", { receiver, knownLogId: "l", knownOffset: -1n }, "REQUEST_INVALID"],
    ["a session time-out below a second", { receiver, sessionTimeout: { nanos: 1 } }, "REQUEST_INVALID"],
    ["a negative session time-out", { receiver, sessionTimeout: { seconds: -5n } }, "REQUEST_INVALID"],
    ["a session time-out above a day", { receiver, sessionTimeout: { seconds: 86_401n } }, "REQUEST_INVALID"],
    ["an unknown conflict policy", { receiver, onConflict: 9 as OnConflict }, "REQUEST_INVALID"],
    ["an unknown ack mode", { receiver, ackMode: 9 as AckMode }, "REQUEST_INVALID"],
  ])("is refused for %s", (_, open, code) => {
    expect(() => read(open)).toThrow(expect.toSatisfy((error: unknown) => isWarrenError(error) && error.code === code));
  });

  test("is missed when the first command is another", () => {
    expect(() => toNewSubscription(undefined, "ex", now)).toThrow("the first command must be `open`");
  });
});
