import { packContentType } from "@warren/protocol/amqp";
import { connect, type Options } from "amqplib";
import type { Prng } from "../../simulation/prng.ts";
import { foreignTypes } from "../read-logs.ts";
import type { Fault } from "../fault.ts";
import type { ChaosSystem } from "../system.ts";

interface Message {
  readonly body: Buffer;
  readonly options: Options.Publish;
}

/** Publishes as a program that knows nothing of Warren, of types that nobody else publishes. */
async function publish({ amqpUrl, exchange }: ChaosSystem, type: string, messages: readonly Message[]): Promise<void> {
  const model = await connect(amqpUrl);
  model.on("error", () => undefined);
  const channel = await model.createConfirmChannel();
  channel.on("error", () => undefined);
  for (const { body, options } of messages) channel.publish(exchange, type, body, { persistent: true, ...options });
  // Whether they arrive is not promised to anybody; what they do to the others is.
  await Promise.race([channel.waitForConfirms(), new Promise((resolve) => setTimeout(resolve, 5_000))]);
  model.close().catch(() => undefined);
}

/** Messages that no log can take: garbage that says to be a pack, text that is none, a body that is too large. */
function poison(random: Prng): readonly Message[] {
  const garbage = Buffer.from(Array.from({ length: 200 }, () => random.below(256)));
  return [
    { body: garbage, options: { contentType: packContentType } },
    { body: Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]), options: { contentType: packContentType } },
    { body: Buffer.alloc(0), options: { contentType: packContentType } },
  ];
}

/** Messages that are odd, and events all the same. */
const odd: readonly Message[] = [
  { body: Buffer.from("no id, no type, no source"), options: {} },
  { body: Buffer.from([0, 0xff, 0xfe]), options: { contentType: "application/json", messageId: "\u0000", appId: "alien" } },
  { body: Buffer.from("{"), options: { contentType: "application/json", timestamp: 2 ** 53 - 1 } },
  { body: Buffer.from("x"), options: { headers: { __proto__x: 1, constructor: { prototype: { isAdmin: true } }, toString: "x" } } },
  { body: Buffer.from("x"), options: { headers: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`h${i}`, "x".repeat(100)])) } },
  { body: Buffer.from("x"), options: { contentEncoding: "gzip", replyTo: "nobody", priority: 9, expiration: "60000" } },
];

/** Messages of other programs. */
export const messageFaults: readonly Fault[] = [
  {
    kind: "poison",
    row: "F21",
    touches: ["rabbitmq"],
    lastsMs: [0, 500],
    reaches: ["quarantined"],
    async begin(system, random) {
      await publish(system, "shop.poison", poison(random));
      return { target: "the exchange", end: () => Promise.resolve() };
    },
  },
  {
    kind: "oversized",
    row: "F21",
    touches: ["rabbitmq"],
    lastsMs: [0, 500],
    reaches: ["quarantined"],
    async begin(system) {
      await publish(system, "shop.poison", [{ body: Buffer.alloc(17 * 1024 * 1024, 0x78), options: { contentType: "text/plain" } }]);
      return { target: "the exchange", end: () => Promise.resolve() };
    },
  },
  {
    kind: "foreign",
    row: "F22",
    touches: ["rabbitmq"],
    lastsMs: [0, 500],
    async begin(system) {
      // Events of a type that only the archive takes.
      await publish(system, `${foreignTypes}x`, odd);
      return { target: "the exchange", end: () => Promise.resolve() };
    },
  },
];
