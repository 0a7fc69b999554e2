/** Milliseconds by the monotonic clock of the machine: the same in every process. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
