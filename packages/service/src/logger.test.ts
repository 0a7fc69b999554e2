import { describe, expect, test } from "vitest";
import { createLogger } from "./logger.ts";

function capture() {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", name: "test", destination: { write: (line) => void lines.push(line) } });
  const parsed = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { logger, lines, parsed };
}

describe("createLogger", () => {
  test("writes a line of JSON with level, sentence and fields", () => {
    const { logger, parsed } = capture();
    logger.child({ consumer: "billing" }).info("consumer woke", { afterOffset: 9_007_199_254_740_993n });
    logger.debug("not at this level");
    expect(parsed()).toEqual([
      expect.objectContaining({
        level: "info",
        name: "test",
        msg: "consumer woke",
        consumer: "billing",
        afterOffset: "9007199254740993",
      }),
    ]);
  });

  test("S20: masks passwords wherever they stand", () => {
    const { logger, lines } = capture();
    const error = new Error("connect amqp://u:canary@h failed", { cause: new Error("postgres://u:canary@h/d") });
    logger.warn("away amqp://u:canary@h", { url: "amqp://u:canary@h", nested: { url: "amqp://u:canary@h" }, error });
    logger.child({ url: "amqp://u:canary@h" }).info("child");
    expect(lines).toHaveLength(2);
    expect(lines.join("")).not.toContain("canary");
    expect(lines.join("")).toContain("u:***@h");
  });

  test("S26: escapes control characters, so that a name cannot forge a line", () => {
    const { logger, lines, parsed } = capture();
    logger.info("opened", { consumer: 'a\n{"level":"error"}\u001b[31m' });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toContain("\u001b");
    expect(parsed()[0]?.["consumer"]).toBe('a\n{"level":"error"}\u001b[31m');
  });

  test("keeps stack and cause of an error", () => {
    const { logger, parsed } = capture();
    logger.error("failed", { error: new Error("outer", { cause: new Error("inner") }) });
    expect(parsed()[0]?.["err"]).toMatchObject({ message: "outer: inner", stack: expect.stringContaining("caused by: Error: inner") });
  });
});
