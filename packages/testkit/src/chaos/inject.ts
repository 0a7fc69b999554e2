import { Prng } from "../simulation/prng.ts";
import type { Injected, Part } from "./fault.ts";
import type { Planned } from "./schedule.ts";
import type { ChaosSystem } from "./system.ts";

/** What was injected. */
export interface InjectedFaults {
  readonly count: number;
  readonly kinds: ReadonlySet<string>;
  /** Faults that could not be injected, and why. */
  readonly notInjected: readonly string[];
  /** Faults whose end did not come about, and why. */
  readonly notHealed: readonly string[];
}

/** Injects the faults of a schedule, and heals all of them; resolves when all is healed. What has not begun `untilMs` after the beginning does not begin. */
export async function injectFaults(
  system: ChaosSystem,
  schedule: readonly Planned[],
  untilMs: number,
  say: (line: string) => void,
): Promise<InjectedFaults> {
  const began = performance.now();
  const now = (): number => performance.now() - began;
  const kinds = new Set<string>();
  const notInjected: string[] = [];
  const notHealed: string[] = [];
  /** The last fault of each part. */
  const busy = new Map<Part, Promise<void>>();
  let count = 0;

  async function run({ fault, forMs, salt }: Planned, before: readonly Promise<void>[]): Promise<void> {
    await Promise.all(before);
    if (now() > untilMs) return;
    const { kind, row } = fault;
    const failed = (where: string[], what: string, error: unknown): void => {
      where.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
      say(`fault ${kind} was not ${what}: ${String(error)}`);
    };
    let injected: Injected;
    try {
      injected = await fault.begin(system, new Prng(salt));
    } catch (error) {
      return failed(notInjected, "injected", error);
    }
    count += 1;
    kinds.add(kind);
    const number = count;
    say(`fault ${number} begins: ${kind} (${row}) ${injected.target}, for ${forMs} ms`);
    await sleep(Math.min(forMs, Math.max(500, untilMs - now())));
    try {
      await injected.end();
      say(`fault ${number} ends: ${kind}`);
    } catch (error) {
      failed(notHealed, "healed", error);
    }
  }

  const running: Promise<void>[] = [];
  for (const planned of schedule) {
    await sleep(planned.atMs - now());
    const { touches } = planned.fault;
    const done = run(
      planned,
      touches.map((part) => busy.get(part) ?? Promise.resolve()),
    );
    for (const part of touches) busy.set(part, done);
    running.push(done);
  }
  await sleep(untilMs - now());
  await Promise.all(running);
  return { count, kinds, notInjected, notHealed };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
