import { contestants, type Contestant, type ContestantKey, type Often } from "./contestants.ts";
import type { StraightRounds } from "../limits/straight-rounds.ts";
import type { CatchUp, Latency, TurnTime, Stage, Throughput } from "./measure.ts";

/** What was found in all rounds of a run; a contestant that was not measured, or failed, has nothing. */
export interface Found {
  readonly throughput1: Results<Throughput>;
  readonly throughput10: Results<Throughput>;
  readonly catchUp: Results<CatchUp>;
  readonly latency1: Results<Latency>;
  readonly latency10: Results<Latency>;
}

/** By contestant, one of each round. */
export type Results<Result> = Partial<Record<ContestantKey, Result[]>>;

/** Name of a measure. */
export type MeasureName = keyof Found;

/** How fast is published: as fast as it goes, or at a fixed rate. */
export type Pace = "full" | "fixed";

/** How much of everything. */
export interface Size {
  /** By pace: a p99 of some seconds differs more from turn to turn than a rate does. */
  readonly rounds: Readonly<Record<Pace, number>>;
  readonly missed: number;
  /** Of one turn. */
  readonly time: Readonly<Record<Pace, TurnTime>>;
}

/** Sizes of a run. */
export const sizes = {
  quick: {
    rounds: { full: 2, fixed: 2 },
    missed: 30_000,
    time: {
      full: { seconds: 1.5, warmSeconds: 0.5, firstWarmSeconds: 0.5 },
      fixed: { seconds: 2, warmSeconds: 1, firstWarmSeconds: 1 },
    },
  },
  full: {
    rounds: { full: 3, fixed: 5 },
    missed: 200_000,
    time: {
      full: { seconds: 4, warmSeconds: 1, firstWarmSeconds: 6 },
      fixed: { seconds: 8, warmSeconds: 4, firstWarmSeconds: 25 },
    },
  },
} as const satisfies Record<string, Size>;

/** Events a second at which latency is measured. */
export const pacedPerSecond = 1_000;

interface Measure {
  readonly label: string;
  readonly pace: Pace;
  /** Whether a contestant takes part. */
  readonly takesPart: (contestant: Contestant, quick: boolean) => boolean;
  /** The same of the straight path. */
  readonly beside?: (straight: StraightRounds, size: Size) => Promise<void>;
  readonly run: (stage: Stage, contestant: Contestant, size: Size) => Promise<Throughput | CatchUp | Latency>;
  /** One figure, for whoever waits. */
  readonly headline: (result: never) => string;
}

const perSecond = (result: { readonly perSecond: number }): string => `${Math.round(result.perSecond).toLocaleString("en")}/s`;
const percentiles = ({ p50, p99 }: Latency): string => `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
const often = (when: Often, quick: boolean): boolean => when === "always" || !quick;

/** What is measured, in this order, all contestants in turn. */
export const measures: Readonly<Record<MeasureName, Measure>> = {
  throughput1: {
    label: "1 subscriber",
    pace: "full",
    beside: (straight, { time }) => straight.rate(1, time.full),
    takesPart: ({ onlyFull }, quick) => !(quick && onlyFull === true),
    run: (stage, { onlyThroughput = 1 }, { time }) => stage.throughput(onlyThroughput, time.full),
    headline: perSecond,
  },
  throughput10: {
    label: "10 subscribers",
    pace: "full",
    beside: (straight, { time }) => straight.rate(10, time.full),
    takesPart: ({ throughput10, onlyThroughput }, quick) => onlyThroughput === undefined && often(throughput10, quick),
    run: (stage, _, { time }) => stage.throughput(10, time.full),
    headline: perSecond,
  },
  catchUp: {
    label: "catching up",
    pace: "full",
    takesPart: ({ catchUp, onlyThroughput }, quick) => onlyThroughput === undefined && often(catchUp, quick),
    run: (stage, _, { missed }) => stage.catchUp(missed),
    headline: perSecond,
  },
  latency1: {
    label: "latency, 1 subscriber",
    pace: "fixed",
    beside: (straight, { time }) => straight.latency(1, time.fixed),
    takesPart: ({ latency, onlyThroughput }, quick) => onlyThroughput === undefined && often(latency, quick),
    run: (stage, _, { time }) => stage.latency(1, pacedPerSecond, time.fixed),
    headline: percentiles,
  },
  latency10: {
    label: "latency, 10 subscribers",
    pace: "fixed",
    beside: (straight, { time }) => straight.latency(10, time.fixed),
    takesPart: ({ latency, onlyThroughput }, quick) => onlyThroughput === undefined && often(latency, quick),
    run: (stage, _, { time }) => stage.latency(10, pacedPerSecond, time.fixed),
    headline: percentiles,
  },
};

/** Keys of all contestants. */
export const contestantKeys = Object.keys(contestants) as readonly ContestantKey[];
