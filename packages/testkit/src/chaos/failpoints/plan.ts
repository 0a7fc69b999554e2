import { failpoints } from "./points.ts";

/** What a process does to itself. `stop` is SIGSTOP: somebody else wakes it. `stall` holds up its event loop; `delay` only who waits at the place. */
export type FailAction =
  | { readonly kind: "kill" }
  | { readonly kind: "stop" }
  | { readonly kind: "throw" }
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "stall"; readonly ms: number };

/** What is to happen at a failpoint. */
export interface FailPlan {
  readonly name: string;
  readonly action: FailAction;
  /** At this hit alone, from 1; without it at each. */
  readonly nth: number | undefined;
}

/**
 * Reads `name:action@nth,…`, for example `rx.after_commit_before_ack:kill@3,cs.mid_chunk:delay(50)`. Throws what is wrong: an unknown name or action, a hit that
 * is no whole number from 1, a `delay` where nothing can wait.
 */
export function parseFailpoints(text: string): readonly FailPlan[] {
  return text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [, name = "", kind = "", ms, nth] = /^([a-z_.]+):([a-z]+)(?:\((\d+)\))?(?:@([1-9]\d*))?$/.exec(part) ?? [];
      const point = failpoints.find((each) => each.name === name);
      if (kind === "") throw new Error(`failpoint ${part}: write name:action or name:action@nth`);
      if (point === undefined)
        throw new Error(`failpoint ${part}: there is no failpoint ${name}; there are ${failpoints.map((each) => each.name).join(", ")}`);
      const action = toAction(part, kind, ms);
      if (action.kind === "delay" && point.synchronous === true) throw new Error(`failpoint ${part}: nothing can wait there; use stall`);
      return { name, action, nth: nth === undefined ? undefined : Number(nth) };
    });
}

function toAction(part: string, kind: string, ms: string | undefined): FailAction {
  if (kind === "kill" || kind === "stop" || kind === "throw") {
    if (ms !== undefined) throw new Error(`failpoint ${part}: ${kind} takes no time`);
    return { kind };
  }
  if (kind !== "delay" && kind !== "stall") throw new Error(`failpoint ${part}: the actions are kill, stop, throw, delay(ms), stall(ms)`);
  if (ms === undefined) throw new Error(`failpoint ${part}: say for how long, ${kind}(ms)`);
  return { kind, ms: Number(ms) };
}
