import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorStatus, silentLogger, WarrenError, type ErrorCode, type Logger } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { errorCodeHeader, toConnectError } from "./connect-error.ts";

function recorder(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, logger: { ...silentLogger, error: (message) => void lines.push(message) } };
}

describe("toConnectError", () => {
  test.each(Object.entries(ErrorStatus))("gives %s the status %s, and carries the code", (code, status) => {
    const error = toConnectError(new WarrenError(code as ErrorCode, "what was wrong"), silentLogger);
    expect(ConnectError.from(error).code).toBe(Code[pascal(status) as keyof typeof Code]);
    expect(error.rawMessage).toBe("what was wrong");
    expect(error.metadata.get(errorCodeHeader)).toBe(code);
  });

  test("tells nothing of the inside when an error is not ours, and logs it", () => {
    const { logger, lines } = recorder();
    const error = toConnectError(new Error('duplicate key in "secret_table"'), logger);
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).not.toContain("secret_table");
    expect(lines).toEqual(["unexpected error"]);
  });

  test("takes a peer that went away for no error of ours", () => {
    const { logger, lines } = recorder();
    expect(toConnectError(Object.assign(new Error("reset"), { code: "ECONNRESET" }), logger).code).toBe(Code.Canceled);
    expect(lines).toEqual([]);
  });

  test("gives a malformed message of a stream to its sender", () => {
    const error = toConnectError(new ConnectError("parse binary: premature EOF", Code.Internal), silentLogger);
    expect([error.code, error.metadata.get(errorCodeHeader)]).toEqual([Code.InvalidArgument, "REQUEST_INVALID"]);
  });
});

const pascal = (status: string): string => status.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
