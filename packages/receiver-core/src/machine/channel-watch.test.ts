import { describe, expect, test } from "vitest";
import { unwatched, watchChannel, type ChannelView } from "./channel-watch.ts";

const view = (channel: number, deliveredTag: number, ackedTag: number, ackedHead: bigint): ChannelView => ({
  channel,
  deliveredTag,
  ackedTag,
  ackedHead,
});
const after = (...views: readonly ChannelView[]): bigint => views.reduce(watchChannel, unwatched).safeTo;

describe("watchChannel()", () => {
  test("W3: keys stay until what came again on a new channel was acked, and until those acks are a pass old", () => {
    const [opened, came, behind] = [view(7, 0, 0, 0n), view(7, 5, 0, 0n), view(7, 9, 4, 40n)];
    expect(after(opened, came, behind, behind)).toBe(0n);
    const acked = view(7, 9, 5, 50n);
    expect(after(opened, came, behind, acked)).toBe(0n);
    expect(after(opened, came, behind, acked, view(7, 20, 20, 90n))).toBe(50n);
    expect(after(opened, came, behind, acked, view(7, 20, 20, 90n), view(7, 20, 20, 90n))).toBe(90n);
  });

  test("W3: begins anew with another channel, and without one", () => {
    const steady = [view(7, 0, 0, 0n), view(7, 0, 0, 0n), view(7, 3, 3, 3n), view(7, 3, 3, 3n)];
    expect(after(...steady)).toBe(3n);
    expect(after(...steady, view(8, 0, 0, 0n))).toBe(0n);
    expect(after(...steady, view(0, 0, 0, 0n), view(7, 3, 3, 3n))).toBe(0n);
  });
});
