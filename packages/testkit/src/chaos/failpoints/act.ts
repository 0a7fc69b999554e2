import { writeSync } from "node:fs";
import type { FailPlan } from "./plan.ts";

/** What patched code calls with the name of its failpoint; the answer is to be awaited where the place can wait. */
export type Hit = (name: string) => Promise<void> | undefined;

/** Does what is planned, and writes a line `failpoint <name> <action> at hit <n>` to stderr before. */
export function actOn(plans: readonly FailPlan[]): Hit {
  const hits = new Map<string, number>();
  return (name) => {
    const hit = (hits.get(name) ?? 0) + 1;
    hits.set(name, hit);
    for (const { action } of plans.filter((plan) => plan.name === name && (plan.nth ?? hit) === hit)) {
      writeSync(2, `failpoint ${name} ${action.kind} at hit ${hit}\n`);
      switch (action.kind) {
        case "kill":
          process.kill(process.pid, "SIGKILL");
          break;
        case "stop":
          process.kill(process.pid, "SIGSTOP");
          break;
        case "throw":
          throw new Error(`failpoint ${name}`);
        case "stall":
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, action.ms);
          break;
        case "delay":
          return new Promise((resolve) => void setTimeout(resolve, action.ms));
      }
    }
    return undefined;
  };
}
