import { create, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { isWarrenError, WarrenError, type Clock, type Logger } from "@warren/protocol";
import { AckMode, OpenSchema, SubscribeResponseSchema, type Open } from "@warren/protocol/v1";
import type { Frame, Session, Subscriptions } from "@warren/receiver-core";
import { toConnectError, type AnyRequest, type AnyResponse } from "@warren/service";
import { cutWhenStuck } from "./cut-when-stuck.ts";
import { frameToResponse } from "./frame-to-response.ts";
import { toNewSubscription } from "./open-request.ts";

/** What `GET /v1/follow` needs. */
export interface FollowHttpDeps {
  readonly subscriptions: Subscriptions;
  readonly exchange: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * `GET /v1/follow?consumer=…&pattern=…&start=…&ack=explicit|auto` for curl and plain browsers: Server-Sent Events, or NDJSON with `Accept: application/x-ndjson`.
 * Each event is one SSE event with its offset as id, so that `Last-Event-ID` resumes. Default `ack=auto`: who cannot ack is acked when the event was handed over.
 * Returns false when the path is another.
 */
export function followHttp(deps: FollowHttpDeps): (request: AnyRequest, response: AnyResponse) => boolean {
  return (request, response) => {
    const [path = "", search = ""] = (request.url ?? "").split("?", 2);
    if (path !== "/v1/follow") return false;
    const query = new URLSearchParams(search);
    const sse = !(request.headers.accept ?? "").includes("application/x-ndjson");
    void serve(deps, query, request, response, sse).catch((error: unknown) => fail(deps.logger, response, error, sse));
    return true;
  };
}

async function serve(
  deps: FollowHttpDeps,
  query: URLSearchParams,
  request: AnyRequest,
  response: AnyResponse,
  sse: boolean,
): Promise<void> {
  if (request.method !== "GET") {
    response.writeHead(405, { allow: "GET" });
    response.end();
    return;
  }
  const { subscriptions, exchange, clock } = deps;
  const lastEventId = request.headers["last-event-id"];
  const open = toOpen(query, clock.wallMs(), typeof lastEventId === "string" ? lastEventId : undefined);
  const session = subscriptions.newSubscription(toNewSubscription(open, exchange, clock.wallMs()));
  const stop = (): void => session.stop("stream-ended");
  response.on("close", stop);
  const stopWatching = cutWhenStuck(session, clock, () => void response.destroy());
  try {
    await write(session, response, sse);
  } finally {
    stop();
    stopWatching();
  }
  response.end();
}

async function write(session: Session, response: AnyResponse, sse: boolean): Promise<void> {
  for await (const frame of session.frames()) {
    if (!response.headersSent) {
      response.writeHead(200, { "content-type": sse ? "text/event-stream" : "application/x-ndjson", "cache-control": "no-store" });
    }
    const text = sse ? toSse(frame) : `${JSON.stringify(toJson(SubscribeResponseSchema, frameToResponse(frame, "json")))}\n`;
    if (!response.write(text)) await drained(response);
  }
}

/** Resolves when the socket takes more, or is gone: a response that closes never drains. */
function drained(response: AnyResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || response.closed) return resolve();
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

function toSse(frame: Frame): string {
  const json = toJson(SubscribeResponseSchema, frameToResponse(frame, "json")) as Readonly<Record<string, unknown>>;
  if (frame.kind !== "batch") {
    const [name, value] = Object.entries(json)[0] ?? [];
    return frame.kind === "heartbeat" ? ": heartbeat\n\n" : `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
  }
  const batch = json["batch"] as { readonly events: readonly unknown[] };
  const first = frame.batch.firstOffset + BigInt(frame.from);
  return batch.events.map((event, index) => `id: ${first + BigInt(index)}\ndata: ${JSON.stringify(event)}\n\n`).join("");
}

function toOpen(query: URLSearchParams, nowMs: number, lastEventId: string | undefined): Open {
  const open = create(OpenSchema, {
    consumer: query.get("consumer") ?? "",
    receiver: { patterns: query.getAll("pattern") },
    ackMode: query.get("ack") === "explicit" ? AckMode.EXPLICIT : AckMode.AUTO,
    instanceId: query.get("instance") ?? "",
  });
  const start = open.consumer === "" && lastEventId !== undefined ? lastEventId : (query.get("start") ?? "latest");
  open.start = { $typeName: "warren.v1.StartFrom", start: toStart(start, nowMs) };
  return open;
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "latest", "earliest", an offset to start after, "1h" ago, or a time as ISO 8601. */
function toStart(text: string, nowMs: number): NonNullable<Open["start"]>["start"] {
  if (text === "latest" || text === "earliest") return { case: text, value: { $typeName: "google.protobuf.Empty" } };
  if (/^\d{1,18}$/.test(text)) return { case: "afterOffset", value: BigInt(text) };
  const ago = /^(\d+)([smhd])$/.exec(text);
  const time = ago === null ? Date.parse(text) : nowMs - Number(ago[1]) * (units[ago[2] ?? ""] ?? 0);
  if (Number.isNaN(time))
    throw new WarrenError(
      "REQUEST_INVALID",
      `start ${JSON.stringify(text)} is not latest, earliest, an offset, a time, or a time ago like 1h`,
    );
  return { case: "time", value: timestampFromMs(time) };
}

/** Connect's own table of HTTP statuses, as far as it is needed here; the rest is 400. */
const statuses: ReadonlyMap<Code, number> = new Map([
  [Code.Unavailable, 503],
  [Code.NotFound, 404],
  [Code.Internal, 500],
]);

function fail(logger: Logger, response: AnyResponse, error: unknown, sse: boolean): void {
  const { rawMessage: message, code } = toConnectError(error, logger);
  const body = { code: isWarrenError(error) ? error.code : "ILLEGAL_STATE", message };
  if (response.headersSent) {
    response.end(sse ? `event: error\ndata: ${JSON.stringify(body)}\n\n` : `${JSON.stringify({ error: body })}\n`);
    return;
  }
  const status = statuses.get(code) ?? 400;
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}
