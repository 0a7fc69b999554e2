import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { errorCodeHeader } from "./connect-error.ts";

/**
 * A call whose JSON is not UTF-8 is refused (`invalid_argument`): the library beneath would put U+FFFD where the bytes make no sense, and change what was
 * sent without a word. Calls of one message only, and what is compressed is not looked at.
 */
export function strictJson(request: UniversalServerRequest): UniversalServerRequest {
  const { header, body } = request;
  if (!/^application\/json\b/i.test(header.get("content-type") ?? "") || header.has("content-encoding")) return request;
  return Symbol.asyncIterator in Object(body) ? { ...request, body: checked(body as AsyncIterable<Uint8Array>) } : request;
}

async function* checked(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of body) {
      decoder.decode(chunk, { stream: true });
      yield chunk;
    }
    decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ConnectError("the JSON is not UTF-8", Code.InvalidArgument, { [errorCodeHeader]: "REQUEST_INVALID" });
  }
}
