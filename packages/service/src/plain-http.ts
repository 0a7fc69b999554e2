import type { IncomingMessage, ServerResponse } from "node:http";
import type { HealthRegistry } from "./health.ts";
import type { Metrics } from "./metrics.ts";

/** A request over HTTP/1.1, or over HTTP/2 through Node's compatibility layer, which has the same members. */
export type AnyRequest = IncomingMessage;
/** Its response. */
export type AnyResponse = ServerResponse;

/** What plain HTTP answers from. */
export interface PlainHttpOptions {
  readonly health: HealthRegistry;
  readonly metrics: Metrics;
  /** Paths of the app; false: not its path. */
  readonly fallback?: ((request: AnyRequest, response: AnyResponse) => boolean) | undefined;
}

/** Answers /livez, /startupz, /readyz (`?verbose` names each problem), /metrics, and the app's own paths; 404 for the rest. */
export function answerPlainHttp(request: AnyRequest, response: AnyResponse, { health, fallback, metrics }: PlainHttpOptions): void {
  const [path = "", query = ""] = (request.url ?? "").split("?");
  const answer = (status: number, body: unknown): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (path === "/livez") return answer(200, { status: "ok" });
  if (path === "/startupz") return answer(health.started ? 200 : 503, { status: health.started ? "ok" : "starting" });
  if (path === "/readyz") {
    const problems = health.problems();
    const ready = Object.keys(problems).length === 0;
    const status = ready ? "ok" : "not ready";
    return answer(ready ? 200 : 503, ready && !query.includes("verbose") ? { status } : { status, problems });
  }
  if (path === "/metrics") return metrics.handle(request, response);
  if (fallback?.(request, response) === true) return undefined;
  return answer(404, { code: "not_found", message: `nothing is served at ${path}` });
}
