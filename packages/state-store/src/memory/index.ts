export { createMemoryStateStore } from "./memory-state-store.ts";
