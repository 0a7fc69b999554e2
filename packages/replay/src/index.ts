export { planRead, type ReadPlan, type ReadView } from "./machine/plan-read.ts";
export { readChunk, type ChunkSize } from "./read-chunk.ts";
export { TailBudget } from "./tail-budget.ts";
export { Tail } from "./tail.ts";
