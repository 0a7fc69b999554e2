import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { failpointEnv } from "./failpoint-env.ts";
import { applyPatch, root } from "../../patching/patch.ts";
import { patchOf } from "./patch-of.ts";
import { parseFailpoints } from "./plan.ts";
import { failpoints } from "./points.ts";

describe("failpoints", () => {
  test.each(failpoints)("$name is at its place in the built files", async (point) => {
    const source = await readFile(new URL(point.file, root), "utf8");
    const patched = applyPatch(source, patchOf(point));
    expect(patched.split(`(${JSON.stringify(point.name)})`)).toHaveLength(2);
    // What waits is in a function that can.
    expect(point.insert.includes("await")).toBe(point.synchronous !== true);
  });

  test("have a name each, and files that are still JavaScript with all of them", async () => {
    expect(new Set(failpoints.map(({ name }) => name)).size).toBe(failpoints.length);
    const folder = await mkdtemp(join(tmpdir(), "warren-failpoints-"));
    try {
      for (const file of new Set(failpoints.map(({ file }) => file))) {
        const path = join(folder, "patched.mjs");
        const mine = failpoints.filter((point) => point.file === file);
        await writeFile(path, mine.map(patchOf).reduce(applyPatch, await readFile(new URL(file, root), "utf8")));
        expect(await node(["--check", path])).toMatchObject({ code: 0, stderr: "" });
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("that are stale are an error which names them", () => {
    const point = { name: "rx.gone", file: "a.js", find: "here", insert: "$hit; " };
    expect(() => applyPatch("no place", patchOf(point))).toThrow(/failpoint rx\.gone is stale: found 0 times in a\.js/);
    expect(() => applyPatch("here and here", patchOf(point))).toThrow(/2 times/);
    expect(applyPatch("here", patchOf(point))).toMatch(/rx\.gone"\); here$/);
    expect(applyPatch("here", patchOf({ ...point, replace: true }))).not.toContain("here");
  });

  test("are read from text, and what is wrong with it is said", () => {
    expect(parseFailpoints("rx.after_commit_before_ack:kill@3,cs.mid_chunk:delay(50)")).toEqual([
      { name: "rx.after_commit_before_ack", action: { kind: "kill" }, nth: 3 },
      { name: "cs.mid_chunk", action: { kind: "delay", ms: 50 }, nth: undefined },
    ]);
    for (const [text, error] of [
      ["rx.nowhere:kill", /there is no failpoint rx\.nowhere; there are rx\.delivered/],
      ["cs.mid_chunk", /name:action/],
      ["cs.mid_chunk:kill@0", /name:action/],
      ["cs.mid_chunk:explode", /the actions are/],
      ["cs.mid_chunk:stall", /say for how long/],
      ["cs.mid_chunk:kill(5)", /takes no time/],
      ["rx.delivered:delay(5)", /nothing can wait there/],
    ] as const)
      expect(() => parseFailpoints(text)).toThrow(error);
  });

  /** Saves offsets of one name, told by its number of saves, in a process of its own. */
  const saveThree = `
    const { OffsetWriter } = await import(${JSON.stringify(new URL("packages/state-store/dist/offset-writer.js", root).href)});
    let saves = 0;
    const clock = { monotonicMs: () => performance.now(), wallMs: () => 0, after: (ms, run) => { const timer = setTimeout(run, ms); return { cancel: () => clearTimeout(timer) }; } };
    const store = { saveOffsets: async (all) => { saves += 1; console.log("saved " + saves); return all.map((save) => ({ kind: "saved", ...save })); } };
    const logger = { warn: (text, { error }) => console.log(text + ": " + error), error: (text, { error }) => console.log(text + ": " + error.message) };
    const writer = new OffsetWriter({ clock, store, logger, random: () => 0 });
    for (let n = 1n; n <= 3n; n += 1n) { writer.ack("c", 1n, { mark: n, ranges: [] }); await writer.flush(); }
    console.log("end");`;
  const at = (plan: string) => node(["--input-type=module", "-e", saveThree], failpointEnv(plan));

  test("do what is planned at the hit that is named, and say so", async () => {
    expect(await at("")).toMatchObject({ stdout: "saved 1\nsaved 2\nsaved 3\nend\n", stderr: "" });
    expect(await at("cs.before_offset_save:kill@2")).toEqual({
      code: null,
      signal: "SIGKILL",
      stdout: "saved 1\n",
      stderr: "failpoint cs.before_offset_save kill at hit 2\n",
    });
    expect(await at("cs.after_offset_save:kill@2")).toMatchObject({ signal: "SIGKILL", stdout: "saved 1\nsaved 2\n" });
    expect(await at("cs.before_offset_save:throw@1")).toMatchObject({
      code: 0,
      stdout: "offsets not saved: failpoint cs.before_offset_save\nsaved 1\nsaved 2\nsaved 3\nend\n",
    });
    expect(await at("cs.before_offset_save:delay(1),cs.after_offset_save:stall(1)@3")).toMatchObject({
      stdout: "saved 1\nsaved 2\nsaved 3\nend\n",
      stderr: `${[1, 2, 3].map((hit) => `failpoint cs.before_offset_save delay at hit ${hit}\n`).join("")}failpoint cs.after_offset_save stall at hit 3\n`,
    });
    expect(await at("cs.nowhere:kill")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("there is no failpoint") as unknown,
    });
  }, 30_000);

  test("stop a process until somebody wakes it", async () => {
    const stopped = node(["--input-type=module", "-e", saveThree], failpointEnv("cs.before_offset_save:stop@2"));
    const { pid = 0 } = stopped.child;
    const state = async (): Promise<string | undefined> => / ([A-Z]) /.exec(await readFile(`/proc/${pid}/stat`, "utf8"))?.[1];
    await vi.waitFor(async () => expect(await state()).toBe("T"), { timeout: 10_000 });
    process.kill(pid, "SIGCONT");
    expect(await stopped).toMatchObject({ code: 0, stdout: "saved 1\nsaved 2\nsaved 3\nend\n" });
  }, 30_000);
});

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function node(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> & { readonly child: ReturnType<typeof execFile> } {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  let ended: Pick<Ended, "code" | "signal"> = { code: null, signal: null };
  const cwd = fileURLToPath(root);
  const child = execFile(process.execPath, [...args], { env: { ...process.env, ...env }, cwd }, (_, stdout, stderr) =>
    resolve({ ...ended, stdout, stderr }),
  );
  child.once("exit", (code, signal) => (ended = { code, signal }));
  return Object.assign(promise, { child });
}
