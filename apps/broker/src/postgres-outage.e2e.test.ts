import { startFaultProxy, startPostgres, type FaultProxy, type PrivatePostgres } from "@warren/test-servers";
import { openDatabase } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { Flow, type FlowPlace } from "./testing/flow.ts";

/** A PostgreSQL of our own, that may be killed; the broker reaches it through a proxy, the judge does not. */
describe("while events flow, PostgreSQL", () => {
  let postgres: PrivatePostgres;
  let proxy: FaultProxy;
  let deployment: Deployment;
  let place: FlowPlace;
  beforeAll(async () => {
    postgres = await startPostgres();
    const direct = new URL(postgres.url);
    proxy = await startFaultProxy({ host: direct.hostname, port: Number(direct.port) });
    const through = new URL(postgres.url);
    through.port = String(proxy.port);
    deployment = await deploy({ databaseUrl: through.href });
    const { namespace, exchange } = deployment;
    const { url } = await deployment.start();
    place = { brokerUrl: url, amqpUrl: inject("amqpUrl"), databaseUrl: postgres.url, namespace, exchange };
  });
  afterAll(async () => {
    await deployment.close();
    await proxy.close();
    await postgres.stop();
  });

  /** Publishers go on: RabbitMQ keeps what cannot be stored. */
  async function publishingGoesOn(flow: Flow): Promise<void> {
    const [sdk, foreign] = [flow.sdk.published, flow.foreign.published];
    const more = (): readonly boolean[] => [flow.sdk.published > sdk, flow.foreign.published > foreign];
    await vi.waitFor(() => expect(more()).toEqual([true, true]), { timeout: 20_000 });
  }

  test("W11: killed and started again: publishing goes on, readiness names the database, and the history is exact", async () => {
    const flow = await Flow.start(place, "kill");
    await postgres.faults.kill();
    await flow.ready("database", "receivers");
    await publishingGoesOn(flow);
    await postgres.faults.restart();
    await flow.ready();
    await flow.end();
  });

  test("W11: paused for longer than every time-out: the same", async () => {
    const flow = await Flow.start(place, "pause");
    await postgres.faults.pause();
    await flow.ready("database", "receivers");
    await publishingGoesOn(flow);
    await postgres.faults.resume();
    await flow.ready();
    await flow.end();
  });

  test("W11: whose connections are terminated again and again: the same", async () => {
    const flow = await Flow.start(place, "terminate");
    const admin = openDatabase<unknown>({ url: postgres.url, schema: "public", applicationName: "admin", logger: silentLogger });
    let terminated = 0;
    for (let round = 1; round <= 10; round += 1) {
      const { rows } = await sql`
        select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'warren broker'`.execute(admin.db);
      terminated += rows.length;
      await flow.progress(10);
    }
    await admin.close();
    expect(terminated).toBeGreaterThanOrEqual(10);
    await flow.ready();
    await flow.end();
  });

  test("W11: that refuses connections, then takes them and does not answer: the same", async () => {
    const flow = await Flow.start(place, "refuse");
    await proxy.refuse();
    await flow.ready("database", "receivers");
    await publishingGoesOn(flow);
    await proxy.accept();
    await flow.ready();
    await flow.progress();
    proxy.blackhole();
    proxy.reset();
    await flow.ready("database", "receivers");
    await publishingGoesOn(flow);
    proxy.resume();
    proxy.reset();
    await flow.ready();
    await flow.end();
  });

  test("W2: whose answers are lost while it commits: nothing is stored twice", async () => {
    const flow = await Flow.start(place, "commit");
    for (let round = 1; round <= 8; round += 1) {
      proxy.swallowAnswers();
      // It commits what nobody is told of.
      await publishingGoesOn(flow);
      proxy.resume();
      proxy.reset();
      await flow.progress(10);
    }
    await flow.ready();
    await flow.end();
  });
});
