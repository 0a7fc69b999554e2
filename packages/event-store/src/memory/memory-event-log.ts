import { randomUUID } from "node:crypto";
import { WarrenError } from "@warren/protocol";
import type { AppendRequest, AppendResult, CallOptions, EventLog } from "../event-log.ts";
import { MemoryLog } from "./memory-log.ts";

/**
 * What the next append meets. `away`: nothing is done. The others answer OUTCOME_UNKNOWN: it was done (`committed`), was not (`lost`), or waits and is done when
 * `commitLate` is called.
 */
export type AppendFault = "away" | "committed" | "lost" | "late";

/** The log in memory, with faults. For tests: nothing survives the process. */
export interface MemoryEventLog extends EventLog {
  /** The next append meets it. */
  failNextAppend(fault: AppendFault): void;
  /** From now on no event with that id can be stored. */
  refuse(id: string): void;
  /** The append that waits is done now; returns what became of it. */
  commitLate(): AppendResult | undefined;
}

/** Makes an empty one. `now`: wall clock, milliseconds. */
export function createMemoryEventLog(now: () => number = Date.now): MemoryEventLog {
  const logs = new Map<bigint, MemoryLog>();
  let fault: AppendFault | undefined;
  let late: (() => AppendResult) | undefined;
  const refusedIds = new Set<string>();

  /** As with a database, the answer comes in a later turn, and an aborted call does nothing. */
  async function on<T>(receiverId: bigint, options: CallOptions | undefined, run: (log: MemoryLog) => T): Promise<T> {
    options?.signal?.throwIfAborted();
    const log = logs.get(receiverId);
    if (log === undefined) throw new WarrenError("NOT_FOUND", `receiver ${receiverId} has no log`);
    return run(log);
  }

  function append(log: MemoryLog, request: AppendRequest): AppendResult {
    const meets = fault;
    fault = undefined;
    const run = (): AppendResult =>
      request.events.some(({ id }) => refusedIds.has(id)) ? { kind: "refused", detail: "a value is refused" } : log.append(request, now());
    if (meets === undefined) return run();
    if (meets === "away") throw new WarrenError("STORE_UNAVAILABLE", "the database is away");
    if (meets === "committed") run();
    if (meets === "late") late = run;
    throw new WarrenError("OUTCOME_UNKNOWN", "the database did not say whether it stored the batch");
  }

  return {
    failNextAppend: (next) => (fault = next),
    refuse: (id) => void refusedIds.add(id),
    commitLate() {
      const run = late;
      late = undefined;
      return run?.();
    },
    async create(receiverId, options) {
      options?.signal?.throwIfAborted();
      if (!logs.has(receiverId)) logs.set(receiverId, new MemoryLog(randomUUID()));
    },
    claim: (receiverId, options) => on(receiverId, options, (log) => log.claim()),
    status: (receiverId, options) => on(receiverId, options, (log) => log.status()),
    async statuses(receiverIds, options) {
      options?.signal?.throwIfAborted();
      return new Map([...logs].filter(([id]) => receiverIds.includes(id)).map(([id, log]) => [id, log.status()]));
    },
    renew: (receiverId, epoch, options) => on(receiverId, options, (log) => log.renew(epoch, randomUUID())),
    prepare: () => undefined,
    append: (request, options) => on(request.receiverId, options, (log) => append(log, request)),
    known: (receiverId, events, options) => on(receiverId, options, (log) => log.known(events)),
    read: (request, options) => on(request.receiverId, options, (log) => log.read(request)),
    offsetBefore: (receiverId, time, options) => on(receiverId, options, (log) => log.offsetBefore(time)),
    offsetsOf: (receiverId, identities, options) =>
      on(receiverId, options, (log) => {
        const offsets = identities.map(({ source, id }, index) => [index, log.find(source, id)] as const);
        return new Map(offsets.filter((entry): entry is readonly [number, bigint] => entry[1] !== undefined));
      }),
    find: (receiverId, source, id, options) => on(receiverId, options, (log) => log.find(source, id)),
    sizes: (receiverId, afterOffset, limit, options) => on(receiverId, options, (log) => log.sizes(afterOffset, limit)),
    prune: (request, options) => on(request.receiverId, options, (log) => log.prune(request)),
    async drop(receiverId, options) {
      options?.signal?.throwIfAborted();
      logs.delete(receiverId);
      return true;
    },
    recordMissed: ({ receiverId, ...missed }, options) => on(receiverId, options, (log) => log.recordMissed(missed)),
    gaps: (receiverId, afterOffset, options) => on(receiverId, options, (log) => log.gaps(afterOffset)),
    quarantined: (receiverId, limit, options) => on(receiverId, options, (log) => log.quarantined(limit)),
  };
}
