export { createMemoryEventLog, type AppendFault, type MemoryEventLog } from "./memory-event-log.ts";
