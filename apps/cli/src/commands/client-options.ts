import { createConnectTransport } from "@connectrpc/connect-node";
import type { Command } from "commander";

/** Options that every command which talks to a server has. */
export interface ServerOptions {
  readonly broker: string;
  readonly archiver: string;
  readonly output: "table" | "json" | "ndjson";
}

/** Adds them to a command. */
export function withServerOptions(command: Command): Command {
  return command
    .option("--broker <url>", "where the broker listens", process.env["WARREN_BROKER_URL"] ?? "http://127.0.0.1:7070")
    .option("--archiver <url>", "where the archiver listens", process.env["WARREN_ARCHIVE_URL"] ?? "http://127.0.0.1:7071")
    .option("-o, --output <format>", "table, json or ndjson", "table");
}

/** A transport for calls, each of at most 10 s. */
export const connect = (baseUrl: string) =>
  createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true, defaultTimeoutMs: 10_000 });
