import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, type NewEvent, type Publisher } from "@warren/client";
import { topicMatches } from "@warren/protocol";
import { ArchiveService } from "@warren/protocol/v1";
import { createLogger } from "@warren/service";
import { startRealSystem } from "@warren/testkit";
import { createMemoryTransport } from "@warren/transport/memory";
import { uuidv7 } from "uuidv7";
import { startDevSystem } from "../dev/dev-system.ts";
import { githubEvents } from "../github-events.ts";
import { print, toJsonLine } from "../output.ts";
import { builtCommand } from "./built-command.ts";
import { Follower } from "./follower.ts";
import { setExitCode } from "../exit-code.ts";

interface DemoSystem {
  readonly brokerUrl: string;
  readonly archiverUrl: string;
  readonly publisher: Publisher;
  restartBroker(): Promise<void>;
  stop(): Promise<void>;
}

const consumers = {
  audit: ["com.github.#"],
  issues: ["com.github.issues.*", "com.github.issue_comment.*"],
  opened: ["com.github.*.opened", "com.github.*.created"],
} as const;

/** How long events may take to reach everyone after the last one was published. */
const settleMs = 60_000;

/**
 * The story of the tour, scripted and checked: three named consumers with overlapping patterns, one leaves and returns, the broker is killed and started again while
 * events flow. The last line is the verdict as JSON; exits 1 when anything is wrong.
 */
export async function demo(embedded: boolean): Promise<void> {
  const say = (line: string): void => print(`  ${line}`);
  const system = embedded ? await openEmbedded(say) : await openReal(say);
  try {
    const { right, verdict } = await story(system, embedded, say);
    setExitCode(right ? 0 : 1);
    // The last line, whatever the servers print while they stop.
    process.once("exit", () => print(verdict));
  } finally {
    await system.publisher.close();
    await system.stop();
  }
}

async function openEmbedded(say: (line: string) => void): Promise<DemoSystem> {
  const logger = createLogger({ name: "demo", level: "error", pretty: true });
  const system = await startDevSystem({ brokerPort: 0, archiverPort: 0, logger, say });
  const { brokerUrl, archiverUrl } = system;
  const publisher = createPublisher({ transport: createMemoryTransport({ broker: system.messages }), exchange: system.exchange });
  return { brokerUrl, archiverUrl, publisher, restartBroker: () => system.restartBroker(), stop: () => system.stop() };
}

async function openReal(say: (line: string) => void): Promise<DemoSystem> {
  const system = await startRealSystem(builtCommand, say);
  const { brokerUrl, archiverUrl, amqpUrl, exchange } = system;
  return {
    brokerUrl,
    archiverUrl,
    publisher: createPublisher({ amqpUrl, exchange }),
    restartBroker: () => system.restartBroker(),
    stop: () => system.stop(),
  };
}

async function story(
  system: DemoSystem,
  embedded: boolean,
  say: (line: string) => void,
): Promise<{ readonly right: boolean; readonly verdict: string }> {
  const events = githubEvents().map((event) => ({ ...event, id: uuidv7() }));
  const expected = (patterns: readonly string[]): ReadonlySet<string> =>
    new Set(events.filter(({ type }) => patterns.some((pattern) => topicMatches(pattern, type))).map(({ id }) => id));
  const followers = Object.entries(consumers).map(([name, patterns]) => new Follower(system.brokerUrl, name, patterns));
  let published = 0;
  const publish = async (part: readonly NewEvent[]): Promise<void> => {
    // In small groups, so that they flow while other things happen.
    for (let from = 0; from < part.length; from += 10) {
      const outcomes = await system.publisher.publishAll(part.slice(from, from + 10));
      published += outcomes.filter(({ kind }) => kind === "ok").length;
    }
  };

  say(`three consumers subscribe: ${Object.keys(consumers).join(", ")}`);
  await Promise.all(followers.map((follower) => follower.arrive()));
  say("100 events are published");
  await publish(events.slice(0, 100));
  const [, leaver] = followers;
  say(`${leaver?.name} leaves; 80 more events are published`);
  await leaver?.leave();
  await publish(events.slice(100, 180));
  say(`the broker ${embedded ? "is dropped without drain" : "gets SIGKILL"} and is started again while 100 more events flow`);
  await Promise.all([publish(events.slice(180, 280)), system.restartBroker()]);
  say(`${leaver?.name} returns; the last ${events.length - 280} events are published`);
  await Promise.all([leaver?.arrive(), publish(events.slice(280))]);

  const wanted = new Map(followers.map((follower) => [follower, expected(consumers[follower.name as keyof typeof consumers])]));
  const archive = createClient(
    ArchiveService,
    createConnectTransport({ baseUrl: system.archiverUrl, httpVersion: "2", useBinaryFormat: true }),
  );
  const until = performance.now() + settleMs;
  let archived = 0;
  while (performance.now() < until) {
    archived = Number((await archive.countEvents({})).count);
    if (archived >= events.length && followers.every((follower) => follower.delivered >= (wanted.get(follower)?.size ?? 0))) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await Promise.all(followers.map((follower) => follower.leave()));
  const receivers = Object.fromEntries(followers.map((follower) => [follower.name, follower.verdict(wanted.get(follower) ?? new Set())]));
  const right =
    published === events.length &&
    archived === events.length &&
    Object.values(receivers).every(
      ({ missed, outOfOrder, repeatedAfterAck }) => missed === 0 && outOfOrder === 0 && repeatedAfterAck === 0,
    );
  say(right ? "every consumer got every one of its events, in order" : "WRONG: see the numbers");
  return { right, verdict: toJsonLine({ published, archived, receivers }) };
}
