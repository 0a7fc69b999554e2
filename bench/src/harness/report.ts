/** What a scenario is run with. */
export interface ScenarioOptions {
  /** As much as fits in a few minutes: fewer rounds, fewer events. */
  readonly quick: boolean;
  /** Only these contestants, by key, and nothing beside them: for whoever makes one of them faster. Scenarios without contestants pay no heed. */
  readonly only?: readonly string[] | undefined;
  /** Tells the person who waits what happens now. */
  readonly say: (line: string) => void;
}

/** Measures one thing. Throws when what it measured was not right: then there are no figures. */
export type Scenario = (options: ScenarioOptions) => Promise<Report>;

/** A ratio that is to be reached. */
export interface Goal {
  /** What is measured, for example "published to delivered, 1 subscriber". */
  readonly measure: string;
  /** What it is compared with. */
  readonly against: string;
  readonly ratio: number;
  readonly goal: number;
  /** Whether more is better (a rate), or less (a latency). */
  readonly better: "more" | "less";
}

/** What a scenario found. */
export interface Report {
  readonly title: string;
  readonly columns: readonly string[];
  /** One string for each column. */
  readonly rows: readonly (readonly string[])[];
  /** Sentences printed below the table. */
  readonly notes: readonly string[];
  /** Figures of one run divided by others of the same run: all that may be compared with another machine. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly goals?: readonly Goal[];
  /** More tables, printed below the first. */
  readonly tables?: readonly Table[];
  /** Bars for the docs. */
  readonly charts?: readonly Chart[];
  /** Everything that was measured, kept with `--json`. */
  readonly raw: unknown;
  /** False: something it promises does not hold. */
  readonly right: boolean;
}

/** A table beside the main one. */
export type Table = Pick<Report, "title" | "columns" | "rows">;

/** Groups of bars: for each group one bar of each series. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly string[];
  readonly groups: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
}

/** Whether a ratio reaches its goal. */
export function isMet({ ratio, goal, better }: Goal): boolean {
  return better === "more" ? ratio >= goal : ratio <= goal;
}
