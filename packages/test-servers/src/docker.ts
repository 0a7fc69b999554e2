import { spawnSync } from "node:child_process";

/** The image that is run where RabbitMQ is not installed. */
export const rabbitmqImage = "rabbitmq:4";

/** Whether a Docker engine answers, within 10 s. */
export function dockerAnswers(): boolean {
  return spawnSync("docker", ["info"], { stdio: "ignore", timeout: 10_000 }).status === 0;
}

/** Runs RabbitMQ in a container on a port of the loopback; `cleanUp` removes the container whatever became of the command. */
export function dockerCommand(name: string, port: number): { readonly command: readonly string[]; readonly cleanUp: string } {
  return {
    command: ["docker", "run", "--rm", "--name", name, "--publish", `127.0.0.1:${port}:5672`, rabbitmqImage],
    cleanUp: `docker rm --force ${name} >/dev/null 2>&1`,
  };
}
