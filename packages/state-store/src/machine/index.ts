/** For Warren's own simulation: when offsets are saved. May change at any time. */
export {
  cleanCoalescer,
  stepCoalescer,
  type CoalescerEffect,
  type CoalescerInput,
  type CoalescerState,
  type CoalescerStep,
} from "./offset-coalescer.ts";
