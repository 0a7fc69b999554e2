import type { Report, ScenarioOptions } from "../harness/report.ts";
import { sizes } from "./plan.ts";
import { reportOf } from "./report.ts";
import { runAll } from "./run.ts";
import { startServers } from "./servers.ts";

/** Warren and the systems that do the same job, each on servers of its own, in turn in one run. Not right: a contestant lost, repeated or turned round an event. */
export async function peers(options: ScenarioOptions): Promise<Report> {
  const size = options.quick ? sizes.quick : sizes.full;
  const servers = await startServers(options.say);
  try {
    return reportOf(await runAll(servers, size, options), size);
  } finally {
    await servers.stop();
  }
}
