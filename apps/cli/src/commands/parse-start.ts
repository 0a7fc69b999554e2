import { WarrenError, type SubscriptionOptions } from "@warren/client";
import { timeUnits } from "./units.ts";

/** "latest", "earliest", an offset to start after, a time, or a time ago like "1h". Throws REQUEST_INVALID. */
export function parseStart(start: string): NonNullable<SubscriptionOptions["start"]> {
  if (start === "latest" || start === "earliest") return start;
  if (/^\d+$/.test(start)) return { afterOffset: BigInt(start) };
  const ago = /^(\d+)([smhd])$/.exec(start);
  const time = ago === null ? new Date(start) : new Date(Date.now() - Number(ago[1]) * (timeUnits[ago[2] ?? ""] ?? 0));
  if (Number.isNaN(time.getTime()))
    throw new WarrenError("REQUEST_INVALID", `${start} is not latest, earliest, an offset, a time, or a time ago like 1h`);
  return time;
}
