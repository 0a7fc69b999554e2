export { createBroker, openBroker, type Broker, type BrokerParts } from "./composition-root.ts";
export { readBrokerConfig, type BrokerConfig } from "./config.ts";
export { createPastProbe } from "./past-probe.ts";
