import { ErrorStatus, isWarrenError, type Logger } from "@warren/protocol";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { malformedMessage } from "./mend-malformed.ts";

/** Name of the metadata that carries a Warren error code to clients. */
export const errorCodeHeader = "warren-code";

/** The one place where an error becomes what a client sees. What is not ours is `internal`, logged, and tells nothing of the inside. */
export function toConnectError(error: unknown, logger: Logger): ConnectError {
  if (isMalformed(error)) return new ConnectError(error.rawMessage, Code.InvalidArgument, { [errorCodeHeader]: "REQUEST_INVALID" });
  if (error instanceof ConnectError) return error;
  if (isWarrenError(error)) {
    if (error.code === "ILLEGAL_STATE") logger.error("illegal state", { error });
    const code = codeFromString(ErrorStatus[error.code]) ?? Code.Internal;
    return new ConnectError(error.message, code, { [errorCodeHeader]: error.code }, undefined, error);
  }
  if (isGone(error)) return new ConnectError("the peer went away", Code.Canceled);
  logger.error("unexpected error", { error: error instanceof Error ? error : new Error(String(error)) });
  return new ConnectError("an internal error; the server's log has it", Code.Internal, { [errorCodeHeader]: "ILLEGAL_STATE" });
}

/** Whether a message of a stream was no valid protobuf. */
export function isMalformed(error: unknown): error is ConnectError {
  return error instanceof ConnectError && error.code === Code.Internal && error.rawMessage.startsWith(malformedMessage);
}

/** Maps errors of all handlers, also those thrown while a stream is written. */
export function errorInterceptor(logger: Logger): Interceptor {
  return (next) => async (request) => {
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: mapped(response.message, logger) };
    } catch (error) {
      throw toConnectError(error, logger);
    }
  };
}

async function* mapped<T>(messages: AsyncIterable<T>, logger: Logger): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw toConnectError(error, logger);
  }
}

/** The socket or stream under the call is gone: nobody is left to be told, and nothing is wrong with us. */
function isGone(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return (
    ["ECANCELED", "ECONNRESET", "EPIPE", "ABORT_ERR"].includes(code) || code.startsWith("ERR_HTTP2_") || code.startsWith("ERR_STREAM_")
  );
}
