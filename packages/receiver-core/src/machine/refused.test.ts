import type { AppendResult } from "@warren/event-store";
import type { EventSlice, QuarantinedEvent } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { startReceiver, stepReceiver, type ReceiverEffect, type ReceiverInput, type ReceiverState } from "./receiver-machine.ts";

const event = (id: string): EventSlice => ({ bytes: Uint8Array.of(0x1a, 0), id, source: "s", type: "t", deduplicated: true });
const claim = { epoch: 1n, headOffset: 0n, oldestOffset: 1n, logId: "l" };

/** A database that takes neither the events nor the quarantine it is told to refuse. */
class RefusingLog {
  readonly stored: string[] = [];
  readonly quarantined: QuarantinedEvent[] = [];
  readonly effects: ReceiverEffect[] = [];
  appends = 0;
  state: ReceiverState;
  readonly #refuses: (id: string) => boolean;
  readonly #refusesAside: (aside: QuarantinedEvent) => boolean;

  constructor(refuses: (id: string) => boolean, refusesAside: (aside: QuarantinedEvent) => boolean = () => false) {
    this.#refuses = refuses;
    this.#refusesAside = refusesAside;
    this.state = startReceiver().state;
    this.input({ kind: "claimed", claim });
    this.input({ kind: "opened", channel: 1 });
  }

  /** Feeds the machine, and answers its appends until it waits. */
  input(input: ReceiverInput): void {
    const { state, effects } = stepReceiver(this.state, input);
    this.state = state;
    this.effects.push(...effects);
    for (const effect of effects) if (effect.kind === "append") this.input({ kind: "append-answered", result: this.#append(effect) });
  }

  deliver(tag: number, ids: readonly string[], rejected: readonly QuarantinedEvent[] = []): void {
    this.input({ kind: "delivered", channel: 1, messages: [{ tag, bytes: 1, unpack: () => ({ events: ids.map(event), rejected }) }] });
  }

  #append({ head, events, quarantined }: Extract<ReceiverEffect, { kind: "append" }>): AppendResult {
    this.appends += 1;
    if (events.some(({ id }) => this.#refuses(id)) || quarantined.some(this.#refusesAside))
      return { kind: "refused", detail: "says 22021" };
    expect(head).toBe(BigInt(this.stored.length));
    this.stored.push(...events.map(({ id }) => id));
    this.quarantined.push(...quarantined);
    if (events.length === 0) return { kind: "appended", segment: undefined };
    const bytes = new Uint8Array();
    return {
      kind: "appended",
      segment: { firstOffset: head + 1n, count: events.length, bytes, eventEnds: new Uint32Array(events.length), recordedAt: 0 },
    };
  }

  kinds(kind: ReceiverEffect["kind"]): number {
    return this.effects.filter((effect) => effect.kind === kind).length;
  }
}

const ids = (count: number) => Array.from({ length: count }, (_, i) => `e${i + 1}`);

describe("an event that the database refuses", () => {
  test("W12: costs one bisection: it alone is set aside with its bytes, the rest is stored in order", () => {
    const log = new RefusingLog((id) => id === "e137");
    log.deliver(1, ids(500));
    expect(log.stored).toEqual(ids(500).filter((id) => id !== "e137"));
    expect(log.quarantined).toMatchObject([
      { reason: "refused", detail: "says 22021", id: "e137", source: "s", type: "t", bytes: { length: 2 } },
    ]);
    // Nine halvings of 500: a refusal and a stored half for each, and the culprit itself.
    expect(log.appends).toBeLessThanOrEqual(2 * 9 + 2);
    expect(log.effects).toContainEqual({ kind: "count", received: 0, repeats: 0, quarantined: 1 });
    expect(log.state).toMatchObject({ work: { kind: "idle" }, rest: [] });
  });

  test("W1: its message is acked once, after its last part, and never when its channel closed meanwhile", () => {
    const log = new RefusingLog((id) => id === "e2");
    log.deliver(7, ids(5));
    expect(log.effects.filter(({ kind }) => kind === "ack")).toEqual([{ kind: "ack", channel: 1, tag: 7 }]);
    expect(log.effects.findLastIndex(({ kind }) => kind === "append")).toBeLessThan(log.effects.findIndex(({ kind }) => kind === "ack"));

    const closing = new RefusingLog((id) => {
      if (id !== "e2") return false;
      if (closing.state.channel === 1) closing.input({ kind: "closed", channel: 1 });
      return true;
    });
    closing.deliver(7, ids(5));
    expect(closing.stored).toEqual(["e1", "e3", "e4", "e5"]);
    expect(closing.kinds("ack")).toBe(0);
  });

  test("W12: many are each found; a batch of nothing else is all set aside", () => {
    const log = new RefusingLog((id) => Number(id.slice(1)) % 3 === 0);
    log.deliver(1, ids(9));
    expect(log.stored).toEqual(["e1", "e2", "e4", "e5", "e7", "e8"]);
    expect(log.quarantined.map(({ id }) => id)).toEqual(["e3", "e6", "e9"]);
    const all = new RefusingLog(() => true);
    all.deliver(1, ids(3));
    expect(all.quarantined).toHaveLength(3);
    expect(all.kinds("ack")).toBe(1);
  });

  test("W12: what is refused even in quarantine is kept bare; what is refused bare is tried again, and never acked", () => {
    const bad: QuarantinedEvent = { reason: "malformed", detail: "broken", bytes: Uint8Array.of(1, 2, 3), id: "x" };
    const log = new RefusingLog(
      () => false,
      ({ bytes }) => bytes.length > 0,
    );
    log.deliver(1, ["e1"], [bad]);
    expect(log.stored).toEqual(["e1"]);
    expect(log.quarantined).toEqual([{ reason: "malformed", detail: "broken; its 3 bytes were refused too", bytes: new Uint8Array() }]);
    const never = new RefusingLog(
      () => false,
      () => true,
    );
    never.deliver(1, [], [bad]);
    expect([never.kinds("ack"), never.kinds("retry-later")]).toEqual([0, 1]);
    never.input({ kind: "retry" });
    expect([never.kinds("ack"), never.kinds("retry-later")]).toEqual([0, 2]);
    expect(never.effects.at(-1)).toEqual({ kind: "retry-later", attempt: 2 });
  });

  test("W2: a part of unknown outcome is resolved before the next one follows", () => {
    let { state } = startReceiver();
    const step = (input: ReceiverInput): readonly ReceiverEffect[] => {
      const { state: next, effects } = stepReceiver(state, input);
      state = next;
      return effects;
    };
    step({ kind: "claimed", claim });
    step({ kind: "opened", channel: 1 });
    step({ kind: "delivered", channel: 1, messages: [{ tag: 1, bytes: 1, unpack: () => ({ events: ids(2).map(event), rejected: [] }) }] });
    expect(step({ kind: "append-answered", result: { kind: "refused", detail: "x" } })).toMatchObject([
      { kind: "append", events: { length: 1 } },
    ]);
    expect(step({ kind: "append-unknown" })).toMatchObject([{ kind: "resolve", events: [{ id: "e1" }] }]);
    const known = [{ index: 0, offset: 1n, sameContent: true }];
    expect(step({ kind: "resolved", epoch: 1n, head: 1n, known })).toMatchObject([
      { kind: "advance", head: 1n },
      { kind: "count", repeats: 1 },
      { kind: "append", head: 1n, events: [{ id: "e2" }] },
    ]);
  });
});
