/** Counters of the apps, over all their incarnations. */
export interface WatchedMetrics {
  /** By name without `warren_` and `_total`. What an app counted in the second before it was killed is not seen. */
  totals(): Readonly<Record<string, number>>;
  stop(): void;
}

const counters = ["duplicates_dropped", "events_quarantined", "events_stored", "appends", "offset_saves", "events_sent"];
const everyMs = 500;

/** Asks apps for their counters, again and again. */
export function watchMetrics(urls: readonly string[]): WatchedMetrics {
  const totals: Record<string, number> = Object.fromEntries(counters.map((name) => [name, 0]));
  const last = new Map<string, number>();
  const ask = async (url: string): Promise<void> => {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(everyMs) });
    const text = await response.text();
    for (const name of counters) {
      const found = new RegExp(`^warren_${name}_total(?:{[^}]*})? (\\d+)`, "m").exec(text)?.[1];
      if (found === undefined) continue;
      const [key, value] = [`${url} ${name}`, Number(found)];
      const before = last.get(key) ?? 0;
      // It counts from nothing again after it was killed.
      totals[name] = (totals[name] ?? 0) + (value >= before ? value - before : value);
      last.set(key, value);
    }
  };
  const timer = setInterval(() => {
    for (const url of urls) void ask(url).catch(() => undefined);
  }, everyMs);
  return { totals: () => ({ ...totals }), stop: () => clearInterval(timer) };
}
