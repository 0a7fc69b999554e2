import type { ServiceImpl } from "@connectrpc/connect";
import { encodeEvent, isWarrenError, Limits, WarrenError, type IdSource } from "@warren/protocol";
import { toCloudEventMessage } from "@warren/protocol/amqp";
import { OutcomeStatus, type Event, type PublishService } from "@warren/protocol/v1";
import type { MessagePublisher, PublishOutcome } from "@warren/transport";

/** What publishing needs. */
export interface PublishServiceDeps {
  readonly publisher: MessagePublisher;
  readonly exchange: string;
  readonly ids: IdSource;
}

/** Publish: one plain CloudEvents message for each event, in order; an outcome for each. */
export function publishService({ publisher, exchange, ids }: PublishServiceDeps): ServiceImpl<typeof PublishService> {
  return {
    async publish({ events }) {
      if (events.length === 0 || events.length > Limits.publishEvents) {
        throw new WarrenError("REQUEST_INVALID", `${events.length} events; one call takes 1 to ${Limits.publishEvents}`);
      }
      if (publisher.pendingBytes > Limits.publisherBufferBytes) {
        throw new WarrenError("BUFFER_FULL", "too many events wait to be confirmed by RabbitMQ; publish again later");
      }
      const sent = events.map((event) => {
        event.id ||= ids.uuid();
        return { id: event.id, outcome: publishOne(event) };
      });
      const outcomes = await Promise.all(sent.map(async ({ id, outcome }) => ({ id, ...describe(await outcome) })));
      return { outcomes };
    },
  };

  function publishOne(event: Event): Promise<PublishOutcome> {
    try {
      encodeEvent(event);
    } catch (error) {
      if (!isWarrenError(error)) throw error;
      return Promise.resolve({ kind: "rejected", error });
    }
    const { routingKey, contentType, messageId, headers, body } = toCloudEventMessage(event);
    return publisher.publish({ exchange, routingKey, contentType, messageId, headers, body });
  }
}

function describe(outcome: PublishOutcome): { readonly status: OutcomeStatus; readonly code: string; readonly message: string } {
  if (outcome.kind === "ok") return { status: OutcomeStatus.OK, code: "", message: "" };
  const status = outcome.kind === "rejected" ? OutcomeStatus.REJECTED : OutcomeStatus.INDETERMINATE;
  return { status, code: outcome.error.code, message: outcome.error.message };
}
