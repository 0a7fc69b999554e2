import { createPublisher, isWarrenError } from "@warren/client";
import { rabbitmqInstalled, startRabbitMq, type PrivateRabbitMq, type RabbitMqFaults } from "@warren/test-servers";
import { connect } from "amqplib";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { Flow, type FlowPlace } from "./testing/flow.ts";

/** After so long RabbitMQ has written down a new quorum queue, in milliseconds. */
const registeredMs = 500;

/** A RabbitMQ of our own, that may be killed: one that is installed. A container or a server named by the environment is left alone. */
describe.runIf(rabbitmqInstalled())("while events flow, RabbitMQ (needs the package rabbitmq-server)", () => {
  let rabbitmq: PrivateRabbitMq;
  let faults: RabbitMqFaults;
  let deployment: Deployment;
  let place: FlowPlace;
  beforeAll(async () => {
    rabbitmq = await startRabbitMq();
    if (rabbitmq.faults === undefined) throw new Error("a RabbitMQ that is installed runs as a process of ours");
    ({ faults } = rabbitmq);
    deployment = await deploy({ amqpUrl: rabbitmq.url });
    const { namespace, exchange } = deployment;
    const { url } = await deployment.start();
    place = { brokerUrl: url, amqpUrl: rabbitmq.url, databaseUrl: inject("databaseUrl"), namespace, exchange };
  });
  afterAll(async () => {
    await deployment.close();
    await rabbitmq.stop();
  });

  test("W11: killed and started again: readiness names RabbitMQ, what it confirmed is delivered, and the history is exact", async () => {
    const flow = await Flow.start(place, "kill");
    // RabbitMQ writes down that a quorum queue exists some 500 ms after it was made (ra_directory's auto_save). Killed before, it has a queue without a leader ever after,
    // and confirms nothing that is routed to it: its own loss, none of ours.
    for (const until = performance.now() + 4 * registeredMs; performance.now() < until;) await flow.progress();
    await faults.kill();
    await flow.ready("rabbitmq");
    await faults.restart();
    await flow.ready();
    await flow.end();
  });

  test("W11: paused until its connections are given up: the same", async () => {
    const flow = await Flow.start(place, "pause");
    await faults.pause();
    await flow.ready("rabbitmq");
    await faults.resume();
    await flow.ready();
    await flow.end();
  });

  test("W10: with a memory alarm publishing ends indeterminate at its own deadline, or ok when the alarm is over; delivery goes on", async () => {
    const flow = await Flow.start(place, "alarm");
    const { exchange, brokerUrl, amqpUrl } = place;
    await faults.memoryAlarm(true);
    const event = { type: "other.x", source: "/s" };
    await using hurried = createPublisher({ amqpUrl, exchange, confirmTimeoutMs: 500 });
    await expect(hurried.publish(event)).rejects.toSatisfy((error) => isWarrenError(error, "OUTCOME_UNKNOWN"));
    await using patient = createPublisher({ amqpUrl, exchange });
    let settled = false;
    const outcome = patient.publish(event).finally(() => (settled = true));
    // The broker's own connection learns of the alarm when it publishes.
    await using through = createPublisher({ brokerUrl });
    const passedOn = through.publish(event);
    await flow.ready("rabbitmq");
    expect((await flow.problems())["rabbitmq"]).toMatch(/^RabbitMQ blocks publishing: /);
    expect(settled).toBe(false);
    // Another program reads on.
    const { consuming } = (await flow.receivers())[0] ?? {};
    expect(consuming).toBe(true);
    await faults.memoryAlarm(false);
    await Promise.all([outcome, passedOn]);
    await flow.ready();
    await flow.end();
  });

  test("W9: whose queue is deleted: the receiver's consumers are told of the gap, flow goes on, and the other receiver is exact", async () => {
    const flow = await Flow.start(place, "queue");
    const [all, some] = await flow.receivers();
    const admin = await connect(rabbitmq.url);
    await (await admin.createChannel()).deleteQueue(all?.queue ?? "");
    await admin.close();
    await vi.waitFor(() => expect(flow.records.some((record) => record.kind === "gap")).toBe(true), { timeout: 20_000 });
    await flow.progress();
    await flow.ready();
    await flow.end();
    expect((await flow.receivers()).map(({ log, queue }) => [log, queue])).toEqual([
      ["queue-all", all?.queue],
      ["queue-some", some?.queue],
    ]);
  });
});
