import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { must } from "@warren/protocol";

/* What processes cost, read from /proc: Linux only, as the servers that the bench starts. */

/** A tick of the kernel's accounting, in microseconds: 1/100 s on every Linux we know. */
const tickUs = 10_000;

interface Stat {
  readonly parent: number;
  /** Its own, and that of its children which have ended. */
  readonly ticks: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in brackets, may hold spaces.
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15);
    return { parent: fields[1] ?? 0, ticks: user + system + childrenUser + childrenSystem };
  } catch {
    return undefined;
  }
}

const allPids = (): readonly number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** CPU time that each of these processes has used so far, with its descendants, in microseconds. */
export function cpuOf(pids: readonly number[]): readonly number[] {
  const stats = new Map(allPids().map((each) => [each, statOf(each)]));
  const belongs = (each: number, pid: number): boolean => {
    for (let at = each; at > 1; at = stats.get(at)?.parent ?? 0) if (at === pid) return true;
    return false;
  };
  return pids.map((pid) => [...stats].reduce((sum, [each, stat]) => sum + (belongs(each, pid) ? (stat?.ticks ?? 0) : 0), 0) * tickUs);
}

/** That of one. */
export const cpuUs = (pid: number): number => cpuOf([pid])[0] ?? 0;

/** The process that listens on a port of 127.0.0.1. */
export function pidOnPort(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const line = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((each) => each.trim().split(/\s+/))
    .find((each) => (each[1] ?? "").endsWith(`:${hex}`) && each[3] === "0A");
  const socket = `socket:[${must(line?.[9], `somebody listens on port ${port}`)}]`;
  const holder = allPids().find((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === socket);
    } catch {
      return false;
    }
  });
  return must(holder, `the process on port ${port} can be looked into`);
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number): number {
  const [, kib] = must(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")), "a process has VmRSS");
  return Number(kib) / 1024;
}

/** Watches what processes use. `since`: microseconds by name, since the call of `watchCpu` or the last `since`. */
export function watchCpu<Name extends string>(pids: Readonly<Record<Name, number>>): { since(): Readonly<Record<Name, number>> } {
  const names = Object.keys(pids) as Name[];
  const read = (): Record<Name, number> => Object.fromEntries(names.map((name) => [name, cpuUs(pids[name])])) as Record<Name, number>;
  let last = read();
  return {
    since() {
      const now = read();
      const used = Object.fromEntries(names.map((name) => [name, now[name] - last[name]])) as Record<Name, number>;
      last = now;
      return used;
    },
  };
}
