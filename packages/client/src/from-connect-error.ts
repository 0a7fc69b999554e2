import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorStatus, isWarrenError, WarrenError, type ErrorCode } from "@warren/protocol";

/** The error of a call as ours: by the code the broker sent, else by its status; what never reached a broker is TRANSPORT_UNAVAILABLE. */
export function fromConnectError(error: unknown): WarrenError {
  if (isWarrenError(error)) return error;
  const connect = ConnectError.from(error);
  const code = connect.metadata.get("warren-code");
  return new WarrenError(code !== null && isCode(code) ? code : byStatus(connect.code), connect.rawMessage, { cause: error });
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ErrorStatus, code);
}

function byStatus(code: Code): ErrorCode {
  switch (code) {
    case Code.InvalidArgument:
    case Code.FailedPrecondition:
    case Code.OutOfRange:
      return "REQUEST_INVALID";
    case Code.NotFound:
      return "NOT_FOUND";
    case Code.Unimplemented:
      return "NOT_SUPPORTED";
    case Code.ResourceExhausted:
      return "TOO_LARGE";
    default:
      return "TRANSPORT_UNAVAILABLE";
  }
}
