import { fileURLToPath } from "node:url";
import { createSubscriber } from "@warren/client";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { connect } from "amqplib";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";

interface Frame {
  readonly frame: string;
  readonly opened?: { readonly session_id: string; readonly after_offset: string };
  readonly batch?: { readonly first_offset: string; readonly events: readonly { readonly id: string }[] };
}

/** A program in any language: the proto files loaded at run time, nothing of ours. */
function plainGrpcClient(url: string) {
  const protos = fileURLToPath(new URL("../../../proto", import.meta.url));
  const loaded = grpc.loadPackageDefinition(
    loadSync("warren/v1/subscription.proto", { includeDirs: [protos], keepCase: true, longs: String, oneofs: true }),
  );
  const warren = loaded["warren"] as unknown as { readonly v1: { readonly SubscriptionService: grpc.ServiceClientConstructor } };
  const client = new warren.v1.SubscriptionService(new URL(url).host, grpc.credentials.createInsecure());
  return {
    subscribe(consumer: string) {
      const call = (client["subscribe"] as () => grpc.ClientDuplexStream<object, Frame>).call(client);
      const frames: Frame[] = [];
      const events: { readonly offset: bigint; readonly id: string }[] = [];
      call.on("data", (frame: Frame) => {
        frames.push(frame);
        frame.batch?.events.forEach(({ id }, index) => events.push({ offset: BigInt(frame.batch?.first_offset ?? 0) + BigInt(index), id }));
      });
      call.on("error", () => undefined);
      call.write({ open: { consumer, receiver: { patterns: ["grpc.#"] }, instance_id: "one program" } });
      return {
        call,
        frames,
        events,
        reached: (kind: string) => vi.waitFor(() => expect(frames.map(({ frame }) => frame)).toContain(kind), { timeout: 10_000 }),
      };
    },
    close: () => client.close(),
  };
}

describe("programs that know nothing of us", () => {
  let deployment: Deployment;
  let url: string;
  beforeAll(async () => {
    deployment = await deploy();
    ({ url } = await deployment.start());
  });
  afterAll(() => deployment.close());

  const post = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return response.json();
  };
  const publish = (type: string, ids: readonly string[]) =>
    post("warren.v1.PublishService/Publish", {
      events: ids.map((id) => ({ id, source: "/curl", type, dataContentType: "application/json", text: `{"id":"${id}"}` })),
    });

  test("a plain gRPC client leaves without closing, returns, gets exactly what it missed, and is live", async () => {
    const client = plainGrpcClient(url);
    const first = client.subscribe("grpc");
    await first.reached("caught_up");
    expect(await publish("grpc.a", ["g1", "g2", "g3"])).toEqual({
      outcomes: ["g1", "g2", "g3"].map((id) => ({ id, status: "OUTCOME_STATUS_OK" })),
    });
    await vi.waitFor(() => expect(first.events).toHaveLength(3));
    first.call.write({ ack: { up_to_offset: "2" } });
    await first.reached("acked");
    first.call.cancel();

    await publish("grpc.b", ["g4", "g5"]);
    const second = client.subscribe("grpc");
    await second.reached("caught_up");
    await publish("grpc.c", ["g6"]);
    await vi.waitFor(() => expect(second.events).toHaveLength(4));
    expect(second.events).toEqual([
      { offset: 3n, id: "g3" },
      { offset: 4n, id: "g4" },
      { offset: 5n, id: "g5" },
      { offset: 6n, id: "g6" },
    ]);
    second.call.end();
    client.close();
  });

  test("curl publishes JSON and follows as NDJSON and as Server-Sent Events", async () => {
    const abort = new AbortController();
    const follow = async (query: string, accept: string) => {
      const response = await fetch(`${url}/v1/follow?${query}`, { headers: { accept }, signal: abort.signal });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      const until = async (part: string): Promise<string> => {
        while (!text.includes(part)) text += (await reader?.read())?.value ?? "";
        return text;
      };
      return { response, until };
    };
    const ndjson = await follow("pattern=curl.%23&consumer=curl", "application/x-ndjson");
    await ndjson.until("caughtUp");
    const sse = await follow("pattern=curl.%23", "text/event-stream");
    expect(sse.response.headers.get("content-type")).toBe("text/event-stream");
    await sse.until("caughtUp");
    await publish("curl.a", ["c1", "c2"]);
    expect(await sse.until('"id":"c2"')).toMatch(/id: 1\ndata: {"id":"c1".*\n\nid: 2\ndata: {"id":"c2"/s);
    const lines = (await ndjson.until('"c2"')).trim().split("\n");
    const events = lines
      .map(
        (line) =>
          JSON.parse(line) as {
            readonly batch?: { readonly firstOffset: string; readonly events: readonly { readonly id: string; readonly text: string }[] };
          },
      )
      .flatMap(({ batch }) => batch?.events ?? []);
    expect(events.map(({ id, text }) => [id, text])).toEqual([
      ["c1", '{"id":"c1"}'],
      ["c2", '{"id":"c2"}'],
    ]);
    abort.abort();
    const wrong = await fetch(`${url}/v1/follow?pattern=a..b`);
    expect([wrong.status, ((await wrong.json()) as { code: string }).code]).toEqual([400, "PATTERN_INVALID"]);
  });

  test("one port answers probes, metrics, health and reflection", async () => {
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: "ok" });
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain("warren_events_stored_total");
    expect(await post("grpc.health.v1.Health/Check", {})).toEqual({ status: "SERVING" });
    expect(await post("grpc.health.v1.Health/Check", { service: "nothing" })).toMatchObject({ code: "not_found" });
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  });
});

describe("an exchange that was there before", () => {
  test("gives the messages of unchanged senders to a named consumer, whatever its own properties", async () => {
    const admin = await connect(inject("amqpUrl"));
    const channel = await admin.createConfirmChannel();
    const exchange = `legacy-${Date.now()}`;
    // With an argument that we would never set: it is used as it is.
    await channel.assertExchange(exchange, "topic", { durable: true, alternateExchange: "amq.fanout" });
    const deployment = await deploy({ exchange, makeExchange: false });
    const { url } = await deployment.start();
    const subscription = createSubscriber({ brokerUrl: url }).subscribe({ consumer: "legacy", patterns: ["invoice.*"] });
    for await (const { kind } of subscription.status()) if (kind === "caughtUp") break;
    channel.publish(exchange, "invoice.paid", Buffer.from('{"n":1}'), {
      contentType: "application/json",
      messageId: "m1",
      appId: "erp",
      headers: { tenant: "t1" },
    });
    channel.publish(exchange, "other.thing", Buffer.from("no"));
    channel.publish(exchange, "invoice.sent", Buffer.from([0, 255]));
    await channel.waitForConfirms();
    const events = [];
    for await (const event of subscription) {
      events.push(event);
      event.ack();
      if (events.length === 2) break;
    }
    expect(events[0]).toMatchObject({ offset: 1n, id: "m1", source: "/amqp/erp", type: "invoice.paid", data: { n: 1 } });
    expect(events[0]?.extensions.get("tenant")).toBe("t1");
    expect(events[1]).toMatchObject({ offset: 2n, type: "invoice.sent" });
    expect([...(events[1]?.bytes ?? [])]).toEqual([0, 255]);
    await deployment.close();
    await channel.deleteExchange(exchange);
    await admin.close();
  });
});
