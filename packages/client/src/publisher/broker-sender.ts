import { createClient } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ErrorStatus, Limits, Times, WarrenError, type ErrorCode } from "@warren/protocol";
import { OutcomeStatus, PublishService, type Outcome } from "@warren/protocol/v1";
import { fromConnectError } from "../from-connect-error.ts";
import type { Cut, OutgoingEvent } from "./event-line.ts";
import type { Sender } from "./line.ts";
import type { EventOutcome } from "./outcome.ts";

/** Sends through the broker's PublishService: one call at a time, so that order is kept. */
export function brokerSender(brokerUrl: string): Sender<readonly OutgoingEvent[]> {
  const sessionManager = new Http2SessionManager(brokerUrl);
  const transport = createConnectTransport({
    baseUrl: brokerUrl,
    sessionManager,
    httpVersion: "2",
    useBinaryFormat: true,
    acceptCompression: [],
    defaultTimeoutMs: Times.publishConfirmMs + 5_000,
  });
  const client = createClient(PublishService, transport);
  let last: Promise<void> = Promise.resolve();
  const closing = new AbortController();

  async function call(events: readonly OutgoingEvent[]): Promise<readonly EventOutcome[]> {
    if (closing.signal.aborted) {
      const error = new WarrenError("CLOSED", "the publisher was closed; the event was not sent");
      return events.map(() => ({ kind: "rejected", error }));
    }
    try {
      const { outcomes } = await client.publish({ events: events.map(({ event }) => event) }, { signal: closing.signal });
      return outcomes.map(toOutcome);
    } catch (error) {
      // Whether the broker passed it on is not known.
      const failure = fromConnectError(error);
      const unknown = new WarrenError("OUTCOME_UNKNOWN", `${failure.message}; publish the same id again, it is stored once`, {
        cause: failure,
      });
      const outcome: EventOutcome =
        ErrorStatus[failure.code] === "unavailable" ? { kind: "indeterminate", error: unknown } : { kind: "rejected", error: failure };
      return events.map(() => outcome);
    }
  }

  return {
    send(events, settled) {
      last = call(events).then((outcomes) => {
        events.forEach((each, index) => each.settle(outcomes[index] ?? missing()));
        settled();
      });
    },
    async close() {
      closing.abort(new WarrenError("TRANSPORT_UNAVAILABLE", "the publisher was closed before the broker answered"));
      await last;
      sessionManager.abort();
    },
  };
}

/** A request has a limit of its own; sizes are counted as if letters had one byte, and may be three times as large. */
const callBytes = Limits.requestBytes / 4;

/** One call at a time. */
export const callByCall: Cut = (waiting, underWay) => (underWay > 0 ? 0 : callEnd(waiting));

/** How many events go into one call. */
export function callEnd(waiting: readonly Pick<OutgoingEvent, "size">[]): number {
  let bytes = 0;
  let end = 0;
  for (const { size } of waiting) {
    bytes += size;
    if (end > 0 && (end === Limits.publishEvents || bytes > callBytes)) break;
    end += 1;
  }
  return end;
}

function missing(): EventOutcome {
  const error = new WarrenError("OUTCOME_UNKNOWN", "no outcome was told; publish the same id again, it is stored once");
  return { kind: "indeterminate", error };
}

function toOutcome({ status, code, message }: Outcome): EventOutcome {
  if (status === OutcomeStatus.OK) return { kind: "ok" };
  const known: ErrorCode = Object.hasOwn(ErrorStatus, code) ? (code as ErrorCode) : "OUTCOME_UNKNOWN";
  return { kind: status === OutcomeStatus.REJECTED ? "rejected" : "indeterminate", error: new WarrenError(known, message) };
}
