export { failpointEnv } from "./chaos/failpoints/failpoint-env.ts";
export { checkHistory } from "./history/check-history.ts";
export type { FinalLog, History, HistoryGap, HistoryRange, HistoryRecord, Violation } from "./history/history.ts";
export { startRealSystem, type RealSystem } from "./real-system.ts";
