import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import type { Clock } from "@warren/protocol";
import { describe, expect, test, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "./gen/grpc/health/v1/health_pb.ts";
import { HealthRegistry, healthService, pollHealth } from "./health.ts";

function client(health: HealthRegistry) {
  return createClient(
    Health,
    createRouterTransport((router) => void router.service(Health, healthService(health, ["warren.v1.X"]))),
  );
}

describe("HealthRegistry", () => {
  test("names each part that keeps it from being ready", () => {
    const health = new HealthRegistry();
    let problem: string | undefined = "RabbitMQ is away";
    health.add({ name: "rabbitmq", problem: () => problem });
    expect(health.problems()).toEqual({ start: "state is not restored yet", rabbitmq: "RabbitMQ is away" });
    health.started = true;
    problem = undefined;
    expect([health.ready, health.problems()]).toEqual([true, {}]);
    health.draining = true;
    expect(health.problems()).toEqual({ drain: "the app is shutting down" });
  });
});

describe("grpc.health.v1", () => {
  test("answers for the app and each of its services, and knows no other", async () => {
    const health = new HealthRegistry();
    const { check, list } = client(health);
    expect((await check({})).status).toBe(Status.NOT_SERVING);
    health.started = true;
    expect((await check({ service: "warren.v1.X" })).status).toBe(Status.SERVING);
    expect(Object.keys((await list({})).statuses)).toEqual(["", "warren.v1.X"]);
    await expect(check({ service: "nothing" })).rejects.toSatisfy((error) => ConnectError.from(error).code === Code.NotFound);
  });

  test("tells a watcher each change, and ends with the app", async () => {
    const health = new HealthRegistry();
    const seen: Status[] = [];
    const watching = (async () => {
      for await (const { status } of client(health).watch({})) seen.push(status);
    })();
    await vi.waitFor(() => expect(seen).toEqual([Status.NOT_SERVING]));
    health.started = true;
    await vi.waitFor(() => expect(seen).toEqual([Status.NOT_SERVING, Status.SERVING]));
    health.draining = true;
    await watching;
    expect(seen).toEqual([Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
  });
});

describe("pollHealth", () => {
  test("holds what the last look found, and looks again", async () => {
    const due: (() => void)[] = [];
    const clock: Clock = {
      monotonicMs: () => 0,
      wallMs: () => 0,
      after: (_, run) => (due.push(run), { cancel: () => void due.splice(0) }),
    };
    let away = true;
    const part = pollHealth("database", () => (away ? Promise.reject(new Error("no answer")) : Promise.resolve()), clock);
    await vi.waitFor(() => expect(part.problem()).toBe("no answer"));
    away = false;
    due.shift()?.();
    await vi.waitFor(() => expect(part.problem()).toBeUndefined());
    part.close();
    expect(due).toEqual([]);
  });
});
