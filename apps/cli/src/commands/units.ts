import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { WarrenError } from "@warren/client";

/** Milliseconds of a second, minute, hour and day. */
export const timeUnits: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** Reads a duration like 90s, 30m, 12h or 7d. Throws REQUEST_INVALID. */
export function parseDuration(text: string) {
  const [, count, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count === undefined) throw new WarrenError("REQUEST_INVALID", `${text} is no duration; it must look like 90s, 30m, 12h or 7d`);
  return durationFromMs(Number(count) * (timeUnits[unit] ?? 0));
}

/** Reads a size like 500MB or 2GiB; a bare number is bytes. Throws REQUEST_INVALID. */
export function parseBytes(text: string): bigint {
  const [, count, unit = "B"] = /^(\d+(?:\.\d+)?)\s*([kKMGT]i?B|B)?$/.exec(text) ?? [];
  const bytes = Math.floor(Number(count) * (byteUnits[unit] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new WarrenError("REQUEST_INVALID", `${text} is no size; it must look like 500MB or 2GiB`);
  return BigInt(bytes);
}

/** Reads a count: 0 or more. Throws REQUEST_INVALID. */
export function parseCount(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new WarrenError("REQUEST_INVALID", `${name} is ${text}; it must be a number, 0 or more`);
  return Number(text);
}

/** A duration as a person writes it. */
export function formatDuration(ms: number): string {
  const [unit, size] = Object.entries(timeUnits).findLast(([, each]) => ms % each === 0) ?? ["s", 1_000];
  return `${ms / size}${unit}`;
}
