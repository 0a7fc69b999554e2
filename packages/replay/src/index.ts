export { planRead, type ReadPlan, type ReadView } from "./machine/plan-read.ts";
export { readChunk, type ChunkSize } from "./read-chunk.ts";
export { Tail } from "./tail.ts";
