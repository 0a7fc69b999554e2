import { settleMachine } from "../harness/settle.ts";
import type { ScenarioOptions } from "../harness/report.ts";
import { measureLimits, type Limits } from "../limits/measure.ts";
import { StraightRounds } from "../limits/straight-rounds.ts";
import { given } from "./client.ts";
import { contestants, type Contestant, type ContestantKey } from "./contestants.ts";
import { Stage, type Throughput } from "./measure.ts";
import type { PayloadKind } from "./payloads.ts";
import { contestantKeys, measures, type Found, type MeasureName, type Pace, type Results, type Size } from "./plan.ts";
import type { Servers } from "./servers.ts";

/** What was measured, and what could not be: why, by contestant. */
export interface Run {
  readonly found: Found;
  /** Payloads of other sizes: published to delivered with one subscriber and with ten. */
  readonly others: readonly { readonly payload: PayloadKind; readonly subscribers: number; readonly results: Results<Throughput> }[];
  readonly failures: Readonly<Partial<Record<ContestantKey, string>>>;
  /** Of other payloads: they take away no other figures. */
  readonly otherFailures: readonly string[];
  /** Not measured when only some contestants are. */
  readonly limits: Limits | undefined;
}

const otherPayloads: readonly PayloadKind[] = [1_024, "webhooks"];

/** Measures everything in turn: in each round one measure after the other, and for each all contestants. Who fails once is out: it has no figures. */
export async function runAll(servers: Servers, size: Size, { quick, only, say }: ScenarioOptions): Promise<Run> {
  const keys = contestantKeys.filter((key) => only === undefined || only.includes(key));
  if (keys.length === 0) throw new Error(`contestants are ${contestantKeys.join(", ")}`);
  const stages = new Stages(servers, say);
  const straight = only === undefined ? await StraightRounds.open(say) : undefined;
  const found: Record<MeasureName, Results<unknown>> = { throughput1: {}, throughput10: {}, catchUp: {}, latency1: {}, latency10: {} };
  const others = otherPayloads.flatMap((payload) =>
    [1, 10].map((subscribers) => ({ payload, subscribers, results: {} as Results<Throughput> })),
  );
  const otherFailures: string[] = [];
  try {
    for (let round = 0; round < Math.max(...Object.values(size.rounds)); round += 1) {
      for (const name of Object.keys(measures) as readonly MeasureName[]) {
        const { label, pace, takesPart, run, headline, beside } = measures[name];
        const rounds = size.rounds[pace];
        if (round >= rounds) continue;
        for (const key of keys) {
          const contestant: Contestant = contestants[key];
          if (!takesPart(contestant, quick)) continue;
          const result = await stages.measure({ key, pace }, (stage) => run(stage, contestant, size));
          if (result === undefined) continue;
          (found[name][key] ??= []).push(result);
          say(`round ${round + 1}/${rounds}, ${label}: ${contestant.label}: ${headline(result as never)}`);
        }
        // What the contestants reached is worth having without it.
        if (straight !== undefined)
          await beside?.(straight, size).catch((error: unknown) => otherFailures.push(`the straight path: ${String(error)}`));
      }
    }
    if (!quick) {
      for (const { payload, subscribers, results } of others) {
        for (const key of keys.filter((each) => measures.throughput10.takesPart(contestants[each], quick))) {
          const result = await stages.attempt({ key, pace: "full" }, (stage) =>
            stage.throughput(subscribers, { ...size.time.full, seconds: size.time.full.seconds / 2 }, payload),
          );
          if (typeof result === "string") {
            otherFailures.push(`${contestants[key].label}, payload ${payload}, ${subscribers} subscribers: ${result}`);
            continue;
          }
          results[key] = [result];
          say(
            `payload ${payload}, ${subscribers} subscribers: ${contestants[key].label}: ${Math.round(result.perSecond).toLocaleString("en")}/s`,
          );
        }
      }
    }
  } finally {
    await Promise.all([stages.stop(), straight?.stop()]);
  }
  const limits =
    straight !== undefined
      ? await measureLimits(given(servers.rabbitMq, "amqp"), { quick, say, straight: straight.found }).catch((error: unknown) => {
          // What was found for a quarter of an hour is still worth having.
          otherFailures.push(`the limits: ${error instanceof Error ? error.message : String(error)}`);
          return undefined;
        })
      : undefined;
  const { failures } = stages;
  for (const results of [...Object.values(found), ...others.map((other) => other.results)]) {
    for (const key of Object.keys(failures) as readonly ContestantKey[]) delete results[key];
  }
  return { found: found as Found, others: quick ? [] : others, failures, otherFailures, limits };
}

interface Who {
  readonly key: ContestantKey;
  readonly pace: Pace;
}

/**
 * The processes of each contestant: made once, so that what a language's compiler learns is kept for all rounds; others for each pace, as services have one or the other: a
 * subscriber that was long at a low rate needed half as much CPU again for each event at full speed.
 */
class Stages {
  readonly failures: Partial<Record<ContestantKey, string>> = {};
  readonly #servers: Servers;
  readonly #say: (line: string) => void;
  readonly #stages: Readonly<Record<Pace, Partial<Record<ContestantKey, Stage>>>> = { full: {}, fixed: {} };

  constructor(servers: Servers, say: (line: string) => void) {
    this.#servers = servers;
    this.#say = say;
  }

  /** Undefined: it failed, now or before. */
  async measure<Result>(who: Who, run: (stage: Stage) => Promise<Result>): Promise<Result | undefined> {
    const { key } = who;
    if (this.failures[key] !== undefined) return undefined;
    const result = await this.attempt(who, run);
    if (typeof result !== "string") return result;
    this.failures[key] = result;
    return undefined;
  }

  /** Resolves with why, when it failed; its processes are made anew then. */
  async attempt<Result>({ key, pace }: Who, run: (stage: Stage) => Promise<Result>): Promise<Result | string> {
    const stages = this.#stages[pace];
    const stage = (stages[key] ??= new Stage(contestants[key], contestants[key].target(this.#servers)));
    await settleMachine();
    try {
      return await run(stage);
    } catch (error) {
      this.#say(`${contestants[key].label} failed: ${error instanceof Error ? `${error.stack} ${String(error.cause)}` : String(error)}`);
      await stage.stop();
      delete stages[key];
      return error instanceof Error ? error.message : String(error);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.#stages).flatMap((stages) => Object.values(stages).map((stage) => stage.stop())));
  }
}
