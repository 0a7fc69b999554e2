import { readdirSync, readFileSync } from "node:fs";

/** Seconds of CPU, user and system, by role. */
export type CpuSeconds = Readonly<Record<string, number>>;

/** Clock ticks of /proc; the same on every Linux there is. */
const ticksPerSecond = 100;

/** Tells the role of a process by its command line; undefined: that of its parent. */
const roles: readonly (readonly [RegExp, string])[] = [
  [/beam\.smp/, "RabbitMQ"],
  // What a server process does for a database is in its title.
  [/^postgres: \S+ archiver /, "PostgreSQL (archiver)"],
  [/^postgres: \S+ broker /, "PostgreSQL (broker)"],
  [/(^|\/)postgres\b/, "PostgreSQL"],
  [/nats-server/, "NATS"],
  [/redis-server/, "Redis"],
  [/serve\0?broker/, "broker"],
  [/serve\0?archiver/, "archiver"],
  [/straight-process/, "middle"],
];

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly seconds: number;
  readonly command: string;
}

/** CPU that this process's descendants have used so far, by role; `named` gives the roles of some of them. Needs Linux. */
export function cpuByRole(named: Readonly<Record<number, string>> = {}): CpuSeconds {
  const processes = new Map(listProcesses().map((each) => [each.pid, each]));
  const roleOf = (pid: number): string | undefined => {
    const found = processes.get(pid);
    if (found === undefined || pid === process.pid) return undefined;
    return named[pid] ?? roles.find(([pattern]) => pattern.test(found.command))?.[1] ?? roleOf(found.parent);
  };
  const sums: Record<string, number> = {};
  for (const { pid, seconds } of processes.values()) {
    const role = roleOf(pid);
    if (role !== undefined && descends(pid, processes)) sums[role] = (sums[role] ?? 0) + seconds;
  }
  return sums;
}

/** Microseconds of CPU for each of so many events, by role; roles that did next to nothing are left out. */
export function cpuPerEvent(before: CpuSeconds, after: CpuSeconds, events: number): CpuSeconds {
  const figures = Object.entries(after).map(([role, seconds]) => [role, ((seconds - (before[role] ?? 0)) * 1e6) / events] as const);
  return Object.fromEntries(figures.filter(([, us]) => us >= 0.1).map(([role, us]) => [role, Math.round(us * 10) / 10]));
}

function descends(pid: number, processes: ReadonlyMap<number, Process>): boolean {
  const found = processes.get(pid);
  return found !== undefined && (found.parent === process.pid || descends(found.parent, processes));
}

function listProcesses(): readonly Process[] {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // utime, stime, and those of children that have ended.
      const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
      return [{ pid, parent: Number(fields[1]), seconds: ticks / ticksPerSecond, command: readFileSync(`/proc/${pid}/cmdline`, "utf8") }];
    } catch {
      // It has just ended.
      return [];
    }
  });
}
