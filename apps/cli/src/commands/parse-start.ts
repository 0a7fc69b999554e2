import { WarrenError, type SubscriptionOptions } from "@warren/client";

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "latest", "earliest", an offset to start after, a time, or a time ago like "1h". Throws REQUEST_INVALID. */
export function parseStart(start: string): NonNullable<SubscriptionOptions["start"]> {
  if (start === "latest" || start === "earliest") return start;
  if (/^\d+$/.test(start)) return { afterOffset: BigInt(start) };
  const ago = /^(\d+)([smhd])$/.exec(start);
  const time = ago === null ? new Date(start) : new Date(Date.now() - Number(ago[1]) * (units[ago[2] ?? ""] ?? 0));
  if (Number.isNaN(time.getTime()))
    throw new WarrenError("REQUEST_INVALID", `${start} is not latest, earliest, an offset, a time, or a time ago like 1h`);
  return time;
}
