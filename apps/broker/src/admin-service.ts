import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { WarrenError } from "@warren/protocol";
import { ConsumerState, type AdminService, type ConsumerSchema, type ReceiverSchema } from "@warren/protocol/v1";
import type { ConsumerPhase, ConsumerView, ReceiverView, Subscriptions } from "@warren/receiver-core";

const states: Readonly<Record<ConsumerPhase, ConsumerState>> = {
  asleep: ConsumerState.ASLEEP,
  "catching-up": ConsumerState.CATCHING_UP,
  live: ConsumerState.LIVE,
};

/** ListReceivers, GetReceiver, ListConsumers, GetConsumer: from memory, as it is now. */
export function adminService(subscriptions: Subscriptions): ServiceImpl<typeof AdminService> {
  return {
    listReceivers: () => ({ receivers: subscriptions.receivers().map(toReceiver) }),
    getReceiver({ receiverKey }) {
      const receiver = subscriptions.receivers().find((each) => each.receiverKey === receiverKey);
      if (receiver === undefined) throw new WarrenError("NOT_FOUND", `no receiver has the key ${JSON.stringify(receiverKey)}`);
      return { receiver: toReceiver(receiver) };
    },
    listConsumers({ receiverKey }) {
      const consumers = subscriptions.consumers().filter((each) => receiverKey === "" || each.receiverKey === receiverKey);
      return { consumers: consumers.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(toConsumer) };
    },
    getConsumer({ consumer: name }) {
      const consumer = subscriptions.consumers().find((each) => each.name === name);
      if (consumer === undefined) throw new WarrenError("NOT_FOUND", `no consumer has the name ${JSON.stringify(name)}`);
      return { consumer: toConsumer(consumer) };
    },
  };
}

function toReceiver(view: ReceiverView): MessageInitShape<typeof ReceiverSchema> {
  const { config, waitingFor, completeSince, ...rest } = view;
  return {
    ...rest,
    config: { patterns: [...config.patterns] },
    waitingFor: waitingFor?.message ?? "",
    ...(completeSince === undefined ? {} : { completeSince: timestampFromMs(completeSince) }),
  };
}

function toConsumer(view: ConsumerView): MessageInitShape<typeof ConsumerSchema> {
  const { config, phase, stateSince, headOffset, ackedOffset, ...rest } = view;
  const lag = headOffset > ackedOffset ? headOffset - ackedOffset : 0n;
  return {
    ...rest,
    headOffset,
    ackedOffset,
    lag,
    config: { patterns: [...config.patterns] },
    state: states[phase],
    stateSince: timestampFromMs(stateSince),
  };
}
