export { MemoryBroker } from "./memory-broker.ts";
export { createMemoryTransport, type MemoryTransportOptions } from "./memory-transport.ts";
