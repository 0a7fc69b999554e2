import { failpointEnv } from "../failpoints/failpoint-env.ts";
import { failpoints } from "../failpoints/points.ts";
import type { Fault } from "../fault.ts";
import type { Supervised } from "../supervised.ts";

/** Hit often, so that it is worth waiting for a later hit. */
const frequent = /^(?:rx\.(?:delivered|before|after_(?:append|commit|ack)|mid)|cs\.(?:before|after)_offset|ar\.)/;

const namesOf = (role: "broker" | "archiver"): readonly string[] =>
  failpoints.map(({ name }) => name).filter((name) => (role === "archiver" ? /^(?:ar|mig)\./ : /^(?:rx|cs|mig)\./).test(name));

/** Starts an app anew, to die or to stop at a place of its code. */
function at(kind: string, role: "broker" | "archiver", action: "kill" | "stop" | "stall(700)"): Fault {
  return {
    kind,
    row: "F2",
    touches: [role === "broker" ? "brokers" : "archiver"],
    lastsMs: [4_000, 8_000],
    async begin(system, random) {
      const app: Supervised = role === "broker" ? system.brokers[system.links.front] : system.archiver;
      const name = random.pick(namesOf(role)) ?? "";
      const plan = `${name}:${action}@${1 + (frequent.test(name) ? random.below(8) : 0)}`;
      await app.kill();
      app.start({ env: failpointEnv(plan), mayEnd: action === "kill" });
      return {
        target: `${app.name} ${plan}`,
        async end() {
          // As if nothing had been: it may have died, may sleep, or not have come there.
          await app.kill();
          app.start();
        },
      };
    },
  };
}

/** Processes that fail at a named place. */
export const failpointFaults: readonly Fault[] = [
  at("broker-killed-at-failpoint", "broker", "kill"),
  at("broker-stopped-at-failpoint", "broker", "stop"),
  at("broker-stalled-at-failpoint", "broker", "stall(700)"),
  at("archiver-killed-at-failpoint", "archiver", "kill"),
];
