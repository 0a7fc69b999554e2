import { expect, test } from "vitest";
import { chartsSvg } from "./chart.ts";

test("bars are as long as their values are large, and what was not measured says so", () => {
  const groups = [
    { name: "A & B", values: [100, undefined] },
    { name: "C", values: [50, 25] },
    { name: "nothing", values: [undefined, undefined] },
  ];
  const svg = chartsSvg([{ title: "rates", unit: "events/s", series: ["1", "10"], groups }], "a <machine>");
  const bars = [...svg.matchAll(/height="12" fill/g)];
  const widths = [...svg.matchAll(/width="([\d.]+)" height="12"/g)].map(([, width]) => Number(width));
  expect(bars).toHaveLength(4);
  expect(widths[0]).toBeCloseTo((widths[2] ?? 0) * 2, 0);
  expect(widths[1]).toBe(0);
  expect(svg).toContain("A &amp; B");
  expect(svg).toContain("not measured");
  expect(svg).toContain("a &lt;machine&gt;");
  expect(svg).not.toContain(">nothing<");
});
