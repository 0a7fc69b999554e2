import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isWarrenError } from "@warren/protocol";
import { afterAll, describe, expect, test } from "vitest";
import { baseConfig, describeConfig, listenVariable, loadConfig, maskUrl, parseListen } from "./config.ts";

const shape = { ...baseConfig, WARREN_LISTEN: listenVariable("127.0.0.1:7070") };
const required = { WARREN_AMQP_URL: "amqp://u:secret@h/v", WARREN_DATABASE_URL: "postgres://u:secret@h/d" };

function problemsOf(environment: Record<string, string>): string {
  try {
    loadConfig(shape, environment);
    return "";
  } catch (error) {
    expect(isWarrenError(error, "CONFIG_INVALID")).toBe(true);
    return (error as Error).message;
  }
}

describe("loadConfig", () => {
  const folder = mkdtempSync(join(tmpdir(), "warren-config-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("gives defaults, and freezes", () => {
    const config = loadConfig(shape, required);
    expect(config).toMatchObject({
      WARREN_NAMESPACE: "warren",
      WARREN_LOG_LEVEL: "info",
      WARREN_LISTEN: { host: "127.0.0.1", port: 7070 },
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("takes an empty variable as not set", () => {
    expect(loadConfig(shape, { ...required, WARREN_NAMESPACE: "", WARREN_EXCHANGE: "" })).toMatchObject({ WARREN_NAMESPACE: "warren" });
  });

  test("reads a secret from the file that NAME_FILE names", () => {
    const file = join(folder, "url");
    writeFileSync(file, "amqp://file@h/v\n");
    expect(loadConfig(shape, { WARREN_DATABASE_URL: required.WARREN_DATABASE_URL, WARREN_AMQP_URL_FILE: file }).WARREN_AMQP_URL).toBe(
      "amqp://file@h/v",
    );
    expect(problemsOf({ ...required, WARREN_AMQP_URL: "", WARREN_AMQP_URL_FILE: join(folder, "none") })).toContain(
      "WARREN_AMQP_URL_FILE names a file that cannot be read",
    );
  });

  test("lists every problem with its variable, what was given and the cure", () => {
    const text = problemsOf({
      WARREN_AMQP_URL: "hunter2",
      WARREN_NAMESPACE: "Not Ok",
      WARREN_LISTEN: "7070",
      WARREN_LOG_LEVEL: "loud",
    });
    expect(text.split("\n  ").slice(1).toSorted()).toEqual([
      "WARREN_AMQP_URL must look like amqp://user:password@host:5672/vhost",
      "WARREN_DATABASE_URL is not set: it is required",
      'WARREN_LISTEN is "7070"; it must look like 127.0.0.1:7070',
      'WARREN_LOG_LEVEL is "loud"; it must be one of debug, info, warn, error, silent',
      'WARREN_NAMESPACE is "Not Ok"; it must be a lower-case letter, then up to 39 letters, digits or _',
    ]);
    // It may have been a password.
    expect(text).not.toContain("hunter2");
  });

  test.each(["a", "a".repeat(40), "a_1"])("takes the namespace %s", (namespace) => {
    expect(loadConfig(shape, { ...required, WARREN_NAMESPACE: namespace }).WARREN_NAMESPACE).toBe(namespace);
  });

  test.each(["1a", "A", "a".repeat(41), "a-b", "a;drop"])("refuses the namespace %s", (namespace) => {
    expect(problemsOf({ ...required, WARREN_NAMESPACE: namespace })).toContain("WARREN_NAMESPACE");
  });
});

describe("parseListen", () => {
  test("reads IPv4, IPv6 and names", () => {
    expect(parseListen("0.0.0.0:0")).toEqual({ host: "0.0.0.0", port: 0 });
    expect(parseListen("[::1]:7070")).toEqual({ host: "::1", port: 7070 });
    expect(parseListen("localhost:65535")).toEqual({ host: "localhost", port: 65_535 });
  });
  test.each(["", ":1", "h", "h:", "h:x", "h:65536", "::1:7070"])("refuses %s", (text) => {
    expect(() => parseListen(text)).toThrow("must look like");
  });
});

describe("what may be shown", () => {
  test.each([
    ["amqp://u:p@h/v", "amqp://u:***@h/v"],
    ["amqp://u:p@ss@h/v", "amqp://u:***@h/v"],
    ["cannot reach postgres://u:p@h:5432/d now", "cannot reach postgres://u:***@h:5432/d now"],
    ["postgres://h/d?user=u&password=p&x=1", "postgres://h/d?user=u&password=***&x=1"],
    ["a://u:p@h and b://v:q@i", "a://u:***@h and b://v:***@i"],
    ["http://127.0.0.1:7071", "http://127.0.0.1:7071"],
  ])("%s becomes %s", (text, shown) => {
    expect(maskUrl(text)).toBe(shown);
  });

  test("a described configuration has no password and nothing that is not set", () => {
    expect(describeConfig({ amqpUrl: "amqp://u:p@h", listen: { host: "h", port: 1 }, archiveUrl: undefined })).toEqual({
      amqpUrl: "amqp://u:***@h",
      listen: '{"host":"h","port":1}',
    });
  });
});
