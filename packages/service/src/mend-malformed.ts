import type { UniversalServerResponse } from "@connectrpc/connect/protocol";

/** How connect-es 2.2.0 begins the message of a request that is no valid protobuf. It gives it the status `internal`, as if the fault were ours. */
export const malformedMessage = "parse binary: ";

/** Gives the answer to a malformed request of a unary call, which no interceptor sees, the status `invalid_argument`: it is the client's fault. */
export async function mendMalformed(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  const { body, status, trailer } = response;
  if (body === undefined) return response;
  const type = response.header?.get("content-type") ?? "";
  if (status === 500 && type === "application/json") return mendConnect(response, body);
  if (type.startsWith("application/grpc") && trailer !== undefined) return { ...response, body: mendGrpc(body, trailer) };
  return response;
}

async function mendConnect(response: UniversalServerResponse, body: AsyncIterable<Uint8Array>): Promise<UniversalServerResponse> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const error = JSON.parse(bytes.toString()) as { readonly message?: string };
  if (error.message?.startsWith(malformedMessage) !== true) return { ...response, body: once(bytes) };
  const mended = Buffer.from(JSON.stringify({ ...error, code: "invalid_argument" }));
  response.header?.set("content-length", String(mended.length));
  return { ...response, status: 400, body: once(mended) };
}

/** The status of a gRPC call travels in the trailer, which is complete when the body has ended. */
async function* mendGrpc(body: AsyncIterable<Uint8Array>, trailer: Headers): AsyncIterable<Uint8Array> {
  yield* body;
  const message = decodeURIComponent(trailer.get("grpc-message") ?? "");
  if (trailer.get("grpc-status") === "13" && message.startsWith(malformedMessage)) {
    trailer.set("grpc-status", "3");
    // It repeats the status.
    trailer.delete("grpc-status-details-bin");
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
