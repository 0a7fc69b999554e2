import { WarrenError } from "@warren/protocol";

/** The AMQP reply code in an error of amqplib, if it has one. https://www.rabbitmq.com/amqp-0-9-1-reference#constants */
export function replyCode(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}

/** What an error says. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/** RabbitMQ does not answer, or says no for now. */
export function unavailable(error: unknown): WarrenError {
  const refused = /ACCESS[_-]REFUSED/i.test(messageOf(error));
  const cure = refused ? "check user and password in WARREN_AMQP_URL, and the user's permissions" : "it is tried again";
  return new WarrenError("TRANSPORT_UNAVAILABLE", `RabbitMQ does not answer (${messageOf(error)}); ${cure}`, { cause: error });
}
