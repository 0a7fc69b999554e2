import { count, millis } from "./rounds.ts";
import type { Chart } from "./report.ts";

const size = { width: 860, label: 300, value: 110, bar: 14, gap: 10, head: 58, foot: 18 };
const colours = ["#2b6cb0", "#ed8936", "#38a169", "#805ad5"];

/** Charts below each other, as one SVG file: horizontal bars, readable on light and dark. */
export function chartsSvg(charts: readonly Chart[], note: string): string {
  let top = 0;
  const drawn = charts.map((chart) => {
    const { body, height } = draw(chart, top);
    top += height;
    return body;
  });
  const height = top + size.foot + 10;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${height}" viewBox="0 0 ${size.width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    ...drawn,
    `<text x="12" y="${height - 10}" font-size="10" fill="#718096">${escape(note)}</text>`,
    "</svg>\n",
  ].join("\n");
}

function draw({ title, unit, series, groups }: Chart, top: number): { readonly body: string; readonly height: number } {
  const most = Math.max(...groups.flatMap(({ values }) => values.filter((value) => value !== undefined)), Number.MIN_VALUE);
  const room = size.width - size.label - size.value;
  const lines = [`<text x="12" y="${top + 24}" font-size="15" font-weight="600" fill="#1a202c">${escape(`${title} (${unit})`)}</text>`];
  series.forEach((name, index) => {
    const x = size.label + index * 150;
    lines.push(
      `<rect x="${x}" y="${top + 34}" width="10" height="10" fill="${colourOf(index)}"/>`,
      `<text x="${x + 15}" y="${top + 43}" fill="#4a5568">${escape(name)}</text>`,
    );
  });
  let y = top + size.head;
  const shownGroups = groups.filter(({ values }) => values.some((value) => value !== undefined));
  for (const { name, values } of shownGroups) {
    const height = values.length * size.bar;
    lines.push(`<text x="${size.label - 10}" y="${y + height / 2 + 4}" text-anchor="end" fill="#1a202c">${escape(name)}</text>`);
    values.forEach((value, index) => {
      const at = y + index * size.bar;
      const width = value === undefined ? 0 : Math.max(1, (value / most) * room);
      const text = value === undefined ? "not measured" : unit === "ms" ? millis(value) : count(value);
      lines.push(
        `<rect x="${size.label}" y="${at}" width="${width.toFixed(1)}" height="${size.bar - 2}" fill="${colourOf(index)}"/>`,
        `<text x="${(size.label + width + 6).toFixed(1)}" y="${at + size.bar - 4}" font-size="11" fill="#4a5568">${text}</text>`,
      );
    });
    y += height + size.gap;
  }
  return { body: lines.join("\n"), height: y - top + size.foot };
}

const colourOf = (index: number): string => colours[index % colours.length] ?? "#000000";

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("`", "");
