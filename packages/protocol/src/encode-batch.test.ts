import { create } from "@bufbuild/protobuf";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodedToSend, encodeBatch } from "./encode-batch.ts";
import type { EncodedBatch } from "./encoded-batch.ts";
import { encodeEvent, toEvent } from "./event.ts";
import { SubscribeResponseSchema, SubscriptionService } from "./gen/warren/v1/subscription_pb.ts";
import { recordedAtOf, StoredEvent } from "./recorded-event.ts";
import { joinSlices } from "./walker/walk-batch.ts";

const slices = Array.from({ length: 5 }, (_, i) =>
  encodeEvent(toEvent({ type: "t", source: "/s", data: { n: i, text: "é" } }, { id: `e${i}`, now: new Date(0) })),
);
const batch: EncodedBatch = { firstOffset: 41n, count: 5, ...joinSlices(slices), recordedAt: 1_700_000_000_123 };

describe("encodeBatch()", () => {
  let server: Http2Server;
  let url = "";
  beforeAll(async () => {
    server = createServer(
      connectNodeAdapter({
        routes: (router) =>
          router.service(SubscriptionService, {
            // max_in_flight and the offset say which events: a test needs no more.
            async *follow({ open }, { requestHeader }) {
              const codec = /json/.test(requestHeader.get("content-type") ?? "") ? "json" : "proto";
              const from = Number(open?.knownOffset ?? 0n);
              yield create(SubscribeResponseSchema, {
                frame: { case: "batch", value: encodeBatch(batch, from, from + (open?.maxInFlight ?? 0), codec) },
              });
            },
          }),
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  const ranges = [
    { name: "all", from: 0, count: 5 },
    { name: "the first", from: 0, count: 1 },
    { name: "some in the middle", from: 1, count: 3 },
    { name: "the last", from: 4, count: 1 },
  ];
  for (const [protocol, open] of Object.entries({
    grpc: createGrpcTransport,
    "grpc-web": createGrpcWebTransport,
    connect: createConnectTransport,
  })) {
    for (const useBinaryFormat of [true, false]) {
      test.each(ranges)(`gives $name over ${protocol}, ${useBinaryFormat ? "proto" : "json"}`, async ({ from, count }) => {
        const before = decodedToSend();
        const client = createClient(SubscriptionService, open({ baseUrl: url, httpVersion: "2", useBinaryFormat }));
        for await (const { frame } of client.follow({ open: { knownOffset: BigInt(from), maxInFlight: count } })) {
          if (frame.case !== "batch") throw new Error("not a batch");
          const { firstOffset, events: sent } = frame.value;
          const events = sent.map((event, i) => new StoredEvent(event, firstOffset + BigInt(i), recordedAtOf(frame.value)));
          expect(events.map(({ offset, id, data }) => ({ offset, id, data }))).toEqual(
            Array.from({ length: count }, (_, i) => ({
              offset: 41n + BigInt(from + i),
              id: `e${from + i}`,
              data: { n: from + i, text: "é" },
            })),
          );
          expect(events[0]?.recordedAt.getTime()).toBe(1_700_000_000_123);
        }
        expect(decodedToSend() - before).toBe(useBinaryFormat ? 0 : count);
      });
    }
  }

  test("never makes an empty batch", () => {
    expect(() => encodeBatch(batch, 2, 2, "proto")).toThrow("events 2 to 2 of 5");
    expect(() => encodeBatch(batch, 4, 6, "proto")).toThrow("events 4 to 6 of 5");
  });
});
