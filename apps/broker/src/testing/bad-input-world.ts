import { connect as connectHttp2 } from "node:http2";
import { Code, ConnectError, createClient, type Client } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AckMode, AdminService, PublishService, SubscriptionService, type OpenSchema, type QuarantinedEvent } from "@warren/protocol/v1";
import { connect, type ChannelModel, type ConfirmChannel, type Options } from "amqplib";
import { inject } from "vitest";
import { deploy, type Deployment } from "./broker-under-test.ts";
import { RawSession, type SentEvent } from "./raw-session.ts";

/** What became of foreign messages. */
export interface Arrived {
  readonly events: readonly SentEvent[];
  readonly quarantined: readonly QuarantinedEvent[];
}

/** A broker on real servers, and clients that check nothing. */
export class World {
  readonly deployment: Deployment;
  readonly url: string;
  readonly admin: Client<typeof AdminService>;
  readonly subscriptions: Client<typeof SubscriptionService>;
  readonly publishing: Client<typeof PublishService>;
  readonly #amqp: ChannelModel;
  readonly channel: ConfirmChannel;
  /** Gets everything that is published. */
  readonly #sink: RawSession;
  #seen = 0;
  #quarantined = 0n;
  #sentinels = 0;

  private constructor(deployment: Deployment, url: string, amqp: ChannelModel, channel: ConfirmChannel) {
    this.deployment = deployment;
    this.url = url;
    this.#amqp = amqp;
    this.channel = channel;
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "2" });
    this.admin = createClient(AdminService, transport);
    this.subscriptions = createClient(SubscriptionService, transport);
    this.publishing = createClient(PublishService, transport);
    this.#sink = new RawSession(url, { receiver: { patterns: ["#"] }, ackMode: AckMode.AUTO });
  }

  static async open(): Promise<World> {
    const deployment = await deploy({ upkeepMs: 100 });
    const { url } = await deployment.start();
    const amqp = await connect(inject("amqpUrl"));
    amqp.on("error", () => undefined);
    const world = new World(deployment, url, amqp, await amqp.createConfirmChannel());
    await world.#sink.frame("caughtUp");
    return world;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Publishes as a foreign sender does, and tells what became of it. */
  async foreign(routingKey: string, body: Uint8Array | string, options: Options.Publish = {}): Promise<Arrived> {
    this.channel.publish(this.deployment.exchange, routingKey, Buffer.from(body), options);
    await this.channel.waitForConfirms();
    return this.arrived();
  }

  /** What became of everything published since the last question: one more event is sent, and comes after all of it. */
  async arrived(): Promise<Arrived> {
    this.#sentinels += 1;
    const id = `sentinel-${this.#sentinels}`;
    this.channel.publish(this.deployment.exchange, "sentinel", Buffer.alloc(0), { messageId: id, appId: "test" });
    await this.channel.waitForConfirms();
    await this.#sink.until(() => (this.#sink.events.some((event) => event.id === id) ? true : undefined));
    const events = this.#sink.events.slice(this.#seen).filter((event) => event.type !== "sentinel");
    this.#seen = this.#sink.events.length;
    const { receiverKey } = await this.#sink.frame("opened");
    const all = await this.admin.listQuarantined({ receiverKey, payload: true });
    const before = this.#quarantined;
    this.#quarantined = all.events[0]?.quarantineId ?? before;
    return { events, quarantined: all.events.filter(({ quarantineId }) => quarantineId > before) };
  }

  /** The first frame of a session without the SDK, or the error instead. */
  async open(open: MessageInitShape<typeof OpenSchema>, url = this.url): Promise<string> {
    const client = createClient(SubscriptionService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
    return outcome(async () => {
      for await (const { frame } of client.follow({ open })) return frame.case ?? "nothing";
      return "ended";
    });
  }

  session(open: MessageInitShape<typeof OpenSchema>, url = this.url): RawSession {
    return new RawSession(url, open);
  }

  /** A call over HTTP/1.1: HTTP status and Connect's code. */
  async post(path: string, body: Uint8Array | string, headers: Readonly<Record<string, string>>): Promise<string> {
    const response = await fetch(`${this.url}/${path}`, {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : new Uint8Array(body),
    });
    const text = await response.text();
    const code = /"code":"([a-z_]+)"/.exec(text)?.[1];
    return code === undefined ? String(response.status) : `${response.status} ${code}`;
  }

  json(path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    return this.post(path, body, { "content-type": "application/json", ...headers });
  }

  /** The status of a gRPC call with that body. */
  grpc(path: string, body: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    return new Promise((resolve) => {
      const session = connectHttp2(this.url);
      session.on("error", () => undefined);
      const stream = session.request({
        ":method": "POST",
        ":path": `/${path}`,
        "content-type": "application/grpc+proto",
        te: "trailers",
        ...headers,
      });
      let status: unknown;
      const look = (given: Readonly<Record<string, unknown>>): void => void (status ??= given["grpc-status"]);
      stream.on("response", look);
      stream.on("trailers", look);
      stream.on("error", () => undefined);
      stream.on("close", () => {
        session.destroy();
        resolve(status === undefined ? `reset ${stream.rstCode}` : statusName(Number(status)));
      });
      stream.resume();
      stream.end(body);
    });
  }

  async close(): Promise<void> {
    await this.#sink.leave();
    await this.#amqp.close();
    await this.deployment.close();
  }
}

/** A status of gRPC as Connect writes it: in snake case. */
function statusName(status: number): string {
  return (Code[status] ?? "ok").replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

/** What a call gave, or its status and Warren's code. */
export async function outcome(call: () => Promise<string>): Promise<string> {
  try {
    return await call();
  } catch (error) {
    return describeError(error);
  }
}

/** Status and Warren's code of an error of a call. */
export function describeError(error: unknown): string {
  const { code, metadata } = ConnectError.from(error);
  return `${codeToString(code)} ${metadata.get("warren-code") ?? ""}`.trim();
}
