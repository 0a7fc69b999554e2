import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { dockerAnswers, rabbitmqImage } from "./docker.ts";
import { rabbitmqInstalled } from "./rabbitmq.ts";

const policy = "/usr/sbin/policy-rc.d";

/**
 * Makes sure that RabbitMQ can be started: installs Debian's package when it is missing and we may, else looks for a container engine. The install must not
 * start a system broker; a policy says so while it runs. Throws with what to do when it cannot be had.
 */
export function ensureRabbitMq(say: (line: string) => void): void {
  if (rabbitmqInstalled()) return;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    if (dockerAnswers()) return say(`RabbitMQ is not installed; using Docker's ${rabbitmqImage}`);
    throw new Error(
      "RabbitMQ is needed for these tests and is not installed. Either install it (Debian: sudo apt-get install rabbitmq-server), or set WARREN_AMQP_URL to a RabbitMQ that may be used for tests, for example one started with: docker run --rm -p 5672:5672 rabbitmq:4",
    );
  }
  say("installing rabbitmq-server from Debian (about a minute)");
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const run = (args: readonly string[]): void => {
      const { status, stderr } = spawnSync("apt-get", args, {
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
        stdio: ["ignore", "ignore", "pipe"],
      });
      if (status !== 0) throw new Error(`apt-get ${args[0]} failed: ${stderr.toString().slice(-1_000)}`);
    };
    run(["update", "-qq"]);
    run(["install", "-y", "-qq", "--no-install-recommends", "rabbitmq-server"]);
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}
