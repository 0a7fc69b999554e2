// Every MUST and SHOULD of docs/spec stands in a row of a table whose last cell names its tests in double quotes, and each of them is a test that `npm test` runs.
import { globSync, readFileSync } from "node:fs";

/** Titles as they stand in the sources; of a title with placeholders, a pattern. */
const titles = new Set();
const patterns = [];
const escape = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
for (const file of globSync("{packages,apps}/*/src/**/{*.test.ts,contract/*.ts}")) {
  for (const [, quote, title] of readFileSync(file, "utf8").matchAll(/\b(?:test|it)(?:\.each)?\([^"`]*?(["`])((?:(?!\1).)*)\1/g)) {
    if (quote === '"') titles.add(title);
    else
      patterns.push(
        new RegExp(
          `^${title
            .split(/\$\{[^}]*\}/)
            .map(escape)
            .join(".+")}$`,
        ),
      );
  }
}
const exists = (title) => titles.has(title) || patterns.some((pattern) => pattern.test(title));

let bad = 0;
for (const file of globSync("docs/spec/*.md")) {
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    const say = (text) => {
      bad += 1;
      console.log(`${file}:${index + 1}: ${text}`);
    };
    const cells = line.startsWith("|") ? line.split("|").slice(1, -1) : [];
    if (/^ [A-Z]+[0-9]+[a-z]? $/.test(cells[0] ?? "")) {
      const named = [...cells.at(-1).matchAll(/"([^"]+)"/g)].map(([, title]) => title);
      if (named.length === 0) say("names no test");
      for (const title of named) if (!exists(title)) say(`no test has the title "${title}"`);
    } else if (/\b(MUST|SHOULD)\b/.test(line) && !line.includes("RFC 2119") && !/^\|.*\| test \|$/.test(line)) {
      say("a MUST or SHOULD outside a row with its tests");
    }
  }
}
process.exit(bad === 0 ? 0 : 1);
