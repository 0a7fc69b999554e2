import { describe, expect, test } from "vitest";
import { readBrokerConfig } from "./config.ts";

const required = { WARREN_AMQP_URL: "amqp://h", WARREN_DATABASE_URL: "postgres://h/d" };

describe("the broker's configuration", () => {
  test("has the defaults of the contract", () => {
    expect(readBrokerConfig(required)).toEqual({
      amqpUrl: "amqp://h",
      databaseUrl: "postgres://h/d",
      listen: { host: "127.0.0.1", port: 7070 },
      namespace: "warren",
      exchange: "warren.events",
      archiveUrl: undefined,
      retireAfterMs: 7 * 86_400_000,
      logLevel: "info",
    });
  });

  test("names its exchange after the namespace, unless one is given", () => {
    expect(readBrokerConfig({ ...required, WARREN_NAMESPACE: "shop" }).exchange).toBe("shop.events");
    expect(readBrokerConfig({ ...required, WARREN_EXCHANGE: "old" }).exchange).toBe("old");
  });

  test("removes unused receivers when it is told to", () => {
    const after = (WARREN_RETIRE_AFTER: string) => readBrokerConfig({ ...required, WARREN_RETIRE_AFTER }).retireAfterMs;
    expect([after("off"), after("0"), after("90m"), after("30d")]).toEqual([0, 0, 5_400_000, 2_592_000_000]);
    expect(() => after("a week")).toThrow('WARREN_RETIRE_AFTER is "a week"; it must be off, or a number with s, m, h or d, like 7d');
  });

  test("tells every problem at once", () => {
    expect(() => readBrokerConfig({ WARREN_LISTEN: "7070", WARREN_NAMESPACE: "No", WARREN_DATABASE_URL: "mysql://h" })).toThrow(
      /WARREN_AMQP_URL is not set.*WARREN_DATABASE_URL must look like.*WARREN_NAMESPACE is "No"; it must be.*WARREN_LISTEN is "7070"; it must look like/s,
    );
  });
});
