import { createHash } from "node:crypto";
import { canonicalPatterns } from "@warren/protocol";
import type { ReceiverConfig } from "@warren/state-store";

/** The version of the canonical form; part of the key, so that a later form never meets an older key. */
const formVersion = 1;

/** The same events, the same form: patterns sorted, each once. */
export function canonicalConfig(config: ReceiverConfig): ReceiverConfig {
  return { exchange: config.exchange, patterns: canonicalPatterns(config.patterns) };
}

/** Identity of a receiver: 32 hex digits of the SHA-256 of its canonical config. Equal keys share one receiver. */
export function configKey(config: ReceiverConfig): string {
  const { exchange, patterns } = canonicalConfig(config);
  const form = JSON.stringify({ version: formVersion, exchange, patterns, filter: "" });
  return createHash("sha256").update(form).digest("hex").slice(0, 32);
}

/** Name of a receiver's queue: short enough for AMQP, and the namespace in front, so that an operator sees whose it is. */
export function queueName(namespace: string, key: string): string {
  return `${namespace}.receiver.${key}`;
}

/** How a config differs from the one a name already has, in words. */
export function describeDifference(stored: ReceiverConfig, asked: ReceiverConfig): string {
  const parts: string[] = [];
  if (stored.exchange !== asked.exchange) parts.push(`exchange ${asked.exchange} instead of ${stored.exchange}`);
  const had = new Set(stored.patterns);
  const has = new Set(asked.patterns);
  const added = asked.patterns.filter((pattern) => !had.has(pattern));
  const removed = stored.patterns.filter((pattern) => !has.has(pattern));
  if (added.length > 0) parts.push(`patterns added: ${added.join(", ")}`);
  if (removed.length > 0) parts.push(`patterns missing: ${removed.join(", ")}`);
  return parts.join("; ");
}
