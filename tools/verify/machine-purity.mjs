// Decisions are pure: in **/machine/** nothing waits, no clock, no chance, no I/O. Tests beside the machines are free.
import { globSync, readFileSync } from "node:fs";

const forbidden = [
  [/\bawait\b|\basync\b|\bPromise\b/, "waits"],
  [/\bDate\b|\bperformance\b|\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, "uses a clock or timer"],
  [/\bMath\.random\b|\bcrypto\b/, "uses chance"],
  [/\bprocess\b|\bconsole\b|\bfetch\b|from "node:/, "reaches outside"],
];
const strip = (source) =>
  source
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "))
    .replace(/\/\/.*$/gm, "")
    .replace(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g, (text) => (text.startsWith('"node:') ? text : '""'));
let bad = 0;
const files = globSync("{packages,apps}/*/src/**/machine/**/*.ts").filter((file) => !file.endsWith(".test.ts"));
for (const file of files) {
  strip(readFileSync(file, "utf8"))
    .split("\n")
    .forEach((line, index) => {
      for (const [pattern, what] of forbidden) {
        if (!pattern.test(line)) continue;
        console.log(`${file}:${index + 1}: a machine ${what}: ${line.trim()}`);
        bad += 1;
      }
    });
}
if (files.length === 0) console.log("no machine was found");
process.exit(bad === 0 && files.length > 0 ? 0 : 1);
