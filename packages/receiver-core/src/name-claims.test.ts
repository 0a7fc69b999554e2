import { describe, expect, test } from "vitest";
import { NameClaims } from "./name-claims.ts";

describe("claims of names", () => {
  test("and what excludes them take turns: a claim waits, upkeep comes another time", async () => {
    const claims = new NameClaims();
    const order: string[] = [];
    const [upkeep, claim] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = claims.exclusively(async () => {
      await upkeep.promise;
      order.push("upkeep");
    });
    const claiming = claims.run("a", async () => {
      order.push("claim");
      await claim.promise;
    });
    expect(await claims.exclusively(async () => order.push("never"))).toBeUndefined();
    upkeep.resolve();
    await first;
    expect(await claims.exclusively(async () => order.push("never"))).toBeUndefined();
    claim.resolve();
    await claiming;
    expect(await claims.exclusively(async () => order.length)).toBe(2);
    expect(order).toEqual(["upkeep", "claim"]);
  });

  test("an upkeep that failed does not fail the claim that waited for it", async () => {
    const claims = new NameClaims();
    const failing = claims.exclusively(() => Promise.reject(new Error("away")));
    const claiming = claims.run("a", async () => "claimed");
    await expect(failing).rejects.toThrow("away");
    expect(await claiming).toBe("claimed");
  });

  test("remember who was claimed until it is known to sleep, also when the answer was lost", async () => {
    const claims = new NameClaims();
    await claims.run("told", async () => claims.claimed("told", 7n));
    await claims.run("lost", () => Promise.reject(new Error("no answer"))).catch(() => undefined);
    await claims.run("", async () => undefined);
    expect(claims.unsaid(() => true)).toEqual([
      { name: "told", sessionToken: 7n },
      { name: "lost", sessionToken: undefined },
    ]);
    claims.said([{ name: "told", sessionToken: 7n }]);
    expect(claims.unsaid((name) => name !== "lost")).toEqual([]);
  });
});
