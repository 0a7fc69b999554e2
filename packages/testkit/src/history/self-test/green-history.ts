import type { FinalLog, HistoryRecord } from "../history.ts";

type Of<K extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: K }>;

/** Events of the example. */
export const count = 40;

/** A history that is there to be changed. */
export interface OpenHistory {
  records: HistoryRecord[];
  logs: {
    log: string;
    events: FinalLog["events"][number][];
    gaps: FinalLog["gaps"][number][];
    commits: NonNullable<FinalLog["commits"]>[number][];
  }[];
  complete: string[];
}

/** Publisher `p` publishes e1 … e40; attempt 15 has no known outcome and is made again, attempt 30 is rejected. `cut` crashes and opens anew, `whole` is one program, `mover` parks offset 3, has it retried, and is
 * moved back to 10. */
export function greenHistory(): OpenHistory {
  const records: HistoryRecord[] = [
    { kind: "log-opened", log: "all", patterns: ["a.#"] },
    { kind: "log-opened", log: "odd", patterns: ["a.odd"] },
  ];
  const stored: string[] = [];
  let attempt = 0;
  const publish = (n: number, outcome: Of<"outcome">["outcome"]): void => {
    attempt += 1;
    const type = n % 2 === 1 ? "a.odd" : "a.even";
    records.push({ kind: "publish", publisher: "p", attempt, event: `e${n}`, type, digest: `d${n}` });
    records.push({ kind: "outcome", publisher: "p", attempt, outcome });
    if (outcome !== "rejected" && !stored.includes(`e${n}`)) stored.push(`e${n}`);
  };
  for (let n = 1; n <= count; n += 1) {
    if (n === 15) publish(n, "indeterminate");
    publish(n, n === 30 ? "rejected" : "ok");
  }
  const row = (event: string, index: number) => ({ offset: BigInt(index + 1), event, digest: event.replace("e", "d") });
  const all = stored.map(row);
  const odd = stored.filter((event) => Number(event.slice(1)) % 2 === 1).map(row);
  const read = (reader: string, log: typeof all, first: number, last: number): void => {
    for (const event of log.slice(first - 1, last)) records.push({ kind: "event", reader, ...event });
  };
  const ack = (reader: string, first: number, last: number): void => {
    for (let offset = first; offset <= last; offset += 1) records.push({ kind: "ack", reader, offset: BigInt(offset) });
  };
  const open = (
    consumer: string,
    log: string,
    reader: string,
    token: bigint,
    afterOffset: bigint,
    settled: Of<"opened">["settled"] = [],
  ): void => {
    records.push({ kind: "opened", consumer, log, reader, token, afterOffset, settled });
  };
  // One program over two sessions: it is handed each event once.
  open("whole", "odd", "w", 1n, 0n);
  read("w", odd, 1, 8);
  ack("w", 1, 8);
  records.push({ kind: "acked", reader: "w", token: 1n, upTo: 4n, ranges: [] });
  open("whole", "odd", "w", 4n, 6n);
  read("w", odd, 9, odd.length);
  ack("w", 9, odd.length);
  // Three programs: the second begins above what was saved, the third after a range that was settled.
  open("cut", "all", "c1", 2n, 0n);
  read("c1", all, 1, 10);
  ack("c1", 1, 6);
  records.push({ kind: "acked", reader: "c1", token: 2n, upTo: 5n, ranges: [] });
  open("cut", "all", "c2", 3n, 5n);
  read("c2", all, 6, 20);
  ack("c2", 7, 9);
  ack("c2", 12, 14);
  records.push({ kind: "acked", reader: "c2", token: 3n, upTo: 9n, ranges: [{ first: 12n, last: 14n }] });
  open("cut", "all", "c3", 5n, 9n, [{ first: 12n, last: 14n }]);
  read("c3", all, 10, 11);
  read("c3", all, 15, all.length);
  // It parks, is handed what it parked, and is moved.
  open("mover", "odd", "m", 6n, 0n);
  read("m", odd, 1, 12);
  records.push({ kind: "parked", reader: "m", offset: 3n }, { kind: "retried", consumer: "mover", offset: 3n });
  for (const event of odd.slice(2, 3)) records.push({ kind: "side", reader: "m", ...event });
  records.push({ kind: "side-ack", reader: "m", offset: 3n }, { kind: "side-acked", reader: "m", offset: 3n });
  ack("m", 1, 2);
  ack("m", 4, 12);
  records.push({ kind: "acked", reader: "m", token: 6n, upTo: 12n, ranges: [] });
  records.push({ kind: "moved", consumer: "mover", token: 7n, afterOffset: 10n });
  open("mover", "odd", "m", 8n, 10n);
  read("m", odd, 11, odd.length);
  const hold = (at: "baseline" | "end", connections: number): void => {
    records.push({ kind: "resources", process: "broker", at, counts: { connections }, heapBytes: 1_000_000 });
  };
  hold("baseline", 10);
  records.push({ kind: "process-ended", process: "broker", expected: true, how: "SIGKILL" });
  hold("end", 12);
  return {
    records,
    logs: [
      { log: "all", events: all, gaps: [], commits: commitsOf(all) },
      { log: "odd", events: odd, gaps: [], commits: commitsOf(odd) },
    ],
    complete: ["whole", "cut", "mover"],
  };
}

/** Three writers, one after the other. */
function commitsOf(events: FinalLog["events"]): OpenHistory["logs"][number]["commits"] {
  const third = BigInt(Math.floor(events.length / 3));
  return [
    { first: 1n, last: third, epoch: 1n },
    { first: third + 1n, last: 2n * third, epoch: 2n },
    { first: 2n * third + 1n, last: BigInt(events.length), epoch: 4n },
  ];
}
