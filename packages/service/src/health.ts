import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Clock, Timer } from "@warren/protocol";
import {
  type Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
  type HealthCheckResponse,
} from "./gen/grpc/health/v1/health_pb.ts";

/** A part that must work for the app to be ready: its name, and what is wrong with it now, or undefined. */
export interface HealthPart {
  readonly name: string;
  problem(): string | undefined;
}

/** What probes and the gRPC health service answer from. */
export class HealthRegistry {
  readonly #parts: HealthPart[] = [];
  started = false;
  draining = false;

  add(part: HealthPart): void {
    this.#parts.push(part);
  }

  /** Problems by the name of the part; empty: ready. */
  problems(): Readonly<Record<string, string>> {
    const problems: Record<string, string> = {};
    if (!this.started) problems["start"] = "state is not restored yet";
    if (this.draining) problems["drain"] = "the app is shutting down";
    for (const part of this.#parts) {
      const problem = part.problem();
      if (problem !== undefined) problems[part.name] = problem;
    }
    return problems;
  }

  get ready(): boolean {
    return Object.keys(this.problems()).length === 0;
  }
}

/** A part that is looked at from time to time. */
export interface PolledPart extends HealthPart {
  /** Looks no more. Twice is fine. */
  close(): void;
}

/** How often a polled part is looked at. */
const pollMs = 2_000;

/** A part whose problem only a question tells: `check` is asked now and every 2 s (never twice at once); what it throws is the problem until it does not. */
export function pollHealth(name: string, check: () => Promise<void>, clock: Clock): PolledPart {
  let problem: string | undefined;
  let timer: Timer | undefined;
  let closed = false;
  const look = async (): Promise<void> => {
    try {
      await check();
      problem = undefined;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    if (!closed) timer = clock.after(pollMs, () => void look());
  };
  void look();
  return {
    name,
    problem: () => problem,
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** grpc.health.v1: the whole app under "" and under each of its services. */
export function healthService(health: HealthRegistry, services: readonly string[]): ServiceImpl<typeof Health> {
  const status = (service: string): HealthCheckResponse => {
    if (service !== "" && !services.includes(service)) throw new ConnectError(`no service ${service}`, Code.NotFound);
    return create(HealthCheckResponseSchema, { status: health.ready ? Status.SERVING : Status.NOT_SERVING });
  };
  return {
    check: ({ service }) => status(service),
    list: () => ({ statuses: Object.fromEntries(["", ...services].map((service) => [service, status(service)])) }),
    async *watch({ service }, { signal }) {
      let last: Status | undefined;
      while (!signal.aborted) {
        const now = status(service);
        if (now.status !== last) yield now;
        last = now.status;
        // A watcher must not keep the server from ending.
        if (health.draining) return;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, watchMs);
          signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
        });
      }
    },
  };
}

/** How often a watcher looks. */
const watchMs = 500;
