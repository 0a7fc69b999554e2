import { describe, expect, test } from "vitest";
import { Limits, Times } from "./limits.ts";

describe("Limits and Times", () => {
  test("times have their order: who gives up waits longer than what it waits for", () => {
    const {
      amqpHeartbeatMs,
      amqpConnectMs,
      publishConfirmMs,
      databaseConnectMs,
      databaseStatementMs,
      databaseLockMs,
      databaseIdleInTransactionMs,
      databaseSocketMs,
      offsetFlushMs,
      ackDelayMs,
      http2PingMs,
      http2PingTimeoutMs,
      heartbeatMs,
      subscriberWatchdogMs,
      sessionMs,
      sessionMinMs,
      sessionMaxMs,
      takeOverMs,
      upkeepMs,
      migrationMarginMs,
      backoffMinMs,
      backoffMaxMs,
      drainMs,
      connectionPrefaceMs,
      connectionFirstRequestMs,
      connectionIdleMs,
      connectionMaxAgeMs,
      callMaxMs,
    } = Times;
    const rising = (...times: readonly number[]): void => {
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(new Set(times).size).toBe(times.length);
    };
    // A dead peer is found before its session counts as silent; a heartbeat may be lost, and then another, before a subscriber gives the broker up,
    // and a broker that a subscriber gave up still has the session when it comes back.
    rising(http2PingMs + http2PingTimeoutMs, heartbeatMs, subscriberWatchdogMs, sessionMs, sessionMaxMs);
    expect(subscriberWatchdogMs).toBeGreaterThanOrEqual(3 * heartbeatMs);
    // A client pings three times within a session's time-out, the shortest too, and the broker looks once a second.
    rising(offsetFlushMs, sessionMinMs / 3, sessionMs / 3);
    // Acks wait for each other for less long than for being saved.
    rising(ackDelayMs, offsetFlushMs);
    // Acks are saved, and a name is taken over, before a program that was ended is started again a second time.
    rising(offsetFlushMs, takeOverMs, backoffMaxMs);
    expect(backoffMinMs).toBeLessThan(takeOverMs);
    // A lock is waited for less long than its statement runs, and PostgreSQL ends a statement before we destroy its connection.
    rising(databaseLockMs, databaseStatementMs, databaseSocketMs);
    expect(databaseConnectMs).toBeLessThan(databaseSocketMs);
    expect(databaseIdleInTransactionMs).toBeLessThan(databaseSocketMs);
    // A connection attempt ends before the next one would be due, and before a peer that is gone is noticed: two heartbeats.
    rising(amqpConnectMs, 2 * amqpHeartbeatMs, publishConfirmMs);
    // What hangs is known to hang before a drain gives it up.
    expect(drainMs).toBeGreaterThanOrEqual(Math.max(databaseSocketMs, 2 * amqpHeartbeatMs));
    // A channel that is open for a whole pass of upkeep has a RabbitMQ that answers: what was lost with the channel before came again, and acks arrived.
    rising(3 * amqpHeartbeatMs, upkeepMs);
    // A connection says what it is, asks for something, is used, and gets old; a session outlives its quiet moments, a heartbeat between each two.
    rising(connectionPrefaceMs, connectionFirstRequestMs, heartbeatMs, connectionIdleMs, connectionMaxAgeMs, callMaxMs);
    // Whatever silence is noticed late is small against the margin of a migration.
    rising(sessionMs, migrationMarginMs);
  });

  test("sizes fit into each other", () => {
    // What is read as one chunk or kept as one segment holds one event of any size. A frame holds one whatever its size, and is part of a segment.
    expect(Limits.eventBytes).toBeLessThanOrEqual(Math.min(Limits.segmentBytes, Limits.chunkBytes));
    expect(Limits.batchBytes).toBeLessThanOrEqual(Limits.segmentBytes);
    expect(Limits.packBytes).toBeLessThan(Limits.messageBytes);
    // A call holds the largest event, and the SDK opens another session before one is full.
    expect(Limits.eventBytes).toBeLessThan(Limits.requestBytes);
    expect(Limits.subscriberSessionStreams).toBeLessThan(Limits.sessionStreams);
    expect(Limits.connectionsPerAddress).toBeLessThan(Limits.connections);
    expect(Limits.batchBytes).toBeLessThan(Limits.defaultMaxInFlightBytes);
    expect(Limits.defaultMaxInFlightBytes).toBeLessThan(Limits.maxInFlightBytes);
    expect(Limits.defaultMaxInFlight).toBeLessThan(Limits.maxInFlight);
    expect(Limits.maxInFlight).toBeLessThanOrEqual(Limits.migrationMargin);
    expect(Limits.segmentBytes).toBeLessThan(Limits.tailBytes);
  });
});
