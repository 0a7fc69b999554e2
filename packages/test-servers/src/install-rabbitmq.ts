import { dockerAnswers, rabbitmqImage } from "./docker.ts";
import { installDebian, mayInstallDebian } from "./install-debian.ts";
import { rabbitmqInstalled } from "./rabbitmq.ts";

/**
 * Makes sure that RabbitMQ can be started: installs Debian's package when it is missing and we may, else looks for a container engine. Throws with what to do
 * when it cannot be had.
 */
export function ensureRabbitMq(say: (line: string) => void): void {
  if (rabbitmqInstalled()) return;
  if (!mayInstallDebian()) {
    if (dockerAnswers()) return say(`RabbitMQ is not installed; using Docker's ${rabbitmqImage}`);
    throw new Error(
      "RabbitMQ is needed for these tests and is not installed. Either install it (Debian: sudo apt-get install rabbitmq-server), or set WARREN_AMQP_URL to a RabbitMQ that may be used for tests, for example one started with: docker run --rm -p 5672:5672 rabbitmq:4",
    );
  }
  say("installing rabbitmq-server from Debian (about a minute)");
  installDebian(["rabbitmq-server"]);
}
