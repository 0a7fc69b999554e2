import { randomBytes } from "node:crypto";

/** A namespace that no other test has: prefix of its exchange, queues and schemas. */
export function testNamespace(): string {
  return `t${randomBytes(6).toString("hex")}`;
}
