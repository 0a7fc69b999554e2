import type { CoreCounters, ReceiverView, Subscriptions } from "@warren/receiver-core";
import type { Metrics, Observation } from "@warren/service";
import type { Transport } from "@warren/transport";

/** Consumers with a label of their own; above, only the sums remain. */
const labelledConsumers = 500;

/** The broker's metrics, read from the core when someone asks. */
export function describeMetrics(metrics: Metrics, subscriptions: Subscriptions, transport: Transport): void {
  const count = (key: keyof CoreCounters) => (): Observation => [{ value: subscriptions.counters()[key] }];
  metrics.counter("events_received", "Events delivered by RabbitMQ", count("eventsReceived"));
  metrics.counter("events_stored", "Events stored in a log", count("eventsStored"));
  metrics.counter("duplicates_dropped", "Events dropped because they are stored already", count("repeatsDropped"));
  metrics.counter("events_quarantined", "Events set aside because no log can take them", count("quarantined"));
  metrics.counter("events_sent", "Events sent to subscribers", count("eventsSent"));
  metrics.counter("appends", "Appends sent to PostgreSQL", count("appends"));
  metrics.counter("offset_saves", "Acked offsets saved", count("offsetSaves"));
  metrics.counter("events_pruned", "Events removed by retention", count("eventsPruned"));
  metrics.counter("consumers_expired", "Consumers forgotten because they slept for too long", count("consumersExpired"));
  metrics.counter("receivers_retired", "Receivers removed, unused or by an operator", count("receiversRetired"));
  metrics.gauge("rabbitmq_connected", "1 while RabbitMQ is connected and takes messages", () => [
    { value: transport.status.kind === "connected" ? 1 : 0 },
  ]);
  metrics.gauge("unstored_bytes", "Bytes delivered by RabbitMQ and not stored yet, over all receivers", () => [
    { value: subscriptions.unstoredBytes },
  ]);
  metrics.gauge("receiver_head_offset", "Newest stored offset", () =>
    subscriptions.receivers().map((each) => ({ value: Number(each.headOffset), labels: { receiver: each.receiverKey } })),
  );
  const receivers = (of: (view: ReceiverView) => number | undefined) => (): Observation =>
    subscriptions.receivers().flatMap((each) => {
      const value = of(each);
      return value === undefined ? [] : [{ value, labels: { receiver: each.receiverKey } }];
    });
  metrics.gauge(
    "receiver_queue_depth",
    "Messages that wait in the receiver's queue, not handed over; absent while unknown",
    receivers(({ queueDepth }) => queueDepth),
  );
  metrics.gauge(
    "receiver_kept_bytes",
    "Bytes of the events that the receiver's log keeps",
    receivers(({ kept }) => kept.bytes),
  );
  metrics.gauge(
    "receiver_held_from_offset",
    "Oldest offset kept only for consumers that sleep; 0 when nothing is",
    receivers(({ kept }) => Number(kept.heldFrom)),
  );
  metrics.gauge("receiver_consuming", "1 while the receiver consumes its queue", () =>
    subscriptions.receivers().map((each) => ({ value: each.consuming ? 1 : 0, labels: { receiver: each.receiverKey } })),
  );
  metrics.gauge("consumers", "Consumers by state", () => {
    const consumers = subscriptions.consumers();
    return (["asleep", "catching-up", "live"] as const).map((state) => ({
      value: consumers.filter(({ phase }) => phase === state).length,
      labels: { state },
    }));
  });
  metrics.gauge("consumer_lag_events", "Head offset minus acked offset", () =>
    subscriptions
      .consumers()
      .slice(0, labelledConsumers)
      .map((each) => ({ value: Number(each.headOffset - each.settled.mark), labels: { consumer: each.name } })),
  );
}
