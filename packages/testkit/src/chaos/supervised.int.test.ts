import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Supervised, type UnexpectedExit } from "./supervised.ts";

/** Says which incarnation it is; ends with code 0 at SIGTERM, or when it is told to; with 3 when it is told to fail, or at SIGTERM after it was told to be bad. */
const program = `
  process.send?.(process.argv[2]);
  let code = 0;
  process.on("SIGTERM", () => process.exit(code));
  process.on("message", (message) => {
    if (message !== "be bad") process.exit(message === "fail" ? 3 : 0);
    code = 3;
    process.send("is bad");
  });
  setInterval(() => undefined, 1_000);`;

describe("a supervised process", () => {
  let folder = "";
  const exits: UnexpectedExit[] = [];
  const heard: unknown[] = [];
  const supervised = (name: string): Supervised => {
    const args = (incarnation: number): readonly string[] => [`${name} ${incarnation}`];
    const spec = { name, folder, file: join(folder, "program.mjs"), args, env: process.env, talks: true };
    return new Supervised(
      spec,
      (exit) => exits.push(exit),
      (message) => heard.push(message),
    );
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "warren-supervised-"));
    await writeFile(join(folder, "program.mjs"), program);
  });
  afterAll(() => rm(folder, { recursive: true }));
  const says = (what: string): Promise<void> => vi.waitFor(() => expect(heard).toContain(what), { timeout: 10_000 });

  test("that ends by itself is told, and started again", async () => {
    const process = supervised("fails");
    process.start();
    await says("fails 1");
    process.send("fail");
    await says("fails 2");
    expect(exits).toEqual([{ name: "fails", code: 3, signal: null }]);
    await process.kill();
    expect(process.running).toBe(false);
    exits.length = 0;
    expect(await readFile(join(folder, "fails.log"), "utf8")).toContain("ended: code 3, signal null");
  });

  test("that we end, paused or not, or that may end, is no surprise and stays ended", async () => {
    const process = supervised("ends");
    process.start();
    await says("ends 1");
    process.pause();
    await process.kill();
    process.start();
    await says("ends 2");
    process.pause();
    await process.terminate(10_000);
    process.start();
    await says("ends 3");
    await process.dismiss("stop");
    process.start({ mayEnd: true });
    await says("ends 4");
    process.send("fail");
    await process.gone();
    expect([exits, process.running, process.incarnation]).toEqual([[], false, 4]);
  });

  test("that is ended while it is being loaded, and cannot hear of it yet, is no surprise", async () => {
    const process = supervised("loads");
    process.start();
    await process.terminate(10_000);
    expect([exits, process.running, heard.filter((what) => what === "loads 1")]).toEqual([[], false, []]);
  });

  test("that answers SIGTERM with another code than 0 is told", async () => {
    const process = supervised("bad");
    process.start();
    await says("bad 1");
    process.send("be bad");
    await says("is bad");
    await process.terminate(10_000);
    expect(exits.map(({ name }) => name)).toEqual(["bad"]);
  });
});
