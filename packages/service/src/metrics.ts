import { type IncomingMessage, type ServerResponse } from "node:http";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";

/** Values by labels; an empty label set for a single value. */
export type Observation = readonly { readonly value: number; readonly labels?: Readonly<Record<string, string>> }[];

/** Metrics that are read when someone asks for them: the hot path only counts plain numbers. */
export interface Metrics {
  /** A number that only grows. `name` without `warren_` and `_total`. */
  counter(name: string, description: string, read: () => Observation): void;
  /** A number as it is now. `name` without `warren_`. */
  gauge(name: string, description: string, read: () => Observation): void;
  /** Answers GET /metrics in the text format of Prometheus. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

/** Metrics of one app. */
export function createMetrics(): Metrics {
  const exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true, withoutTargetInfo: true });
  const provider = new MeterProvider({ readers: [exporter] });
  const meter = provider.getMeter("warren");
  return {
    counter(name, description, read) {
      meter.createObservableCounter(`warren_${name}`, { description }).addCallback((result) => {
        for (const { value, labels } of read()) result.observe(value, labels);
      });
    },
    gauge(name, description, read) {
      meter.createObservableGauge(`warren_${name}`, { description }).addCallback((result) => {
        for (const { value, labels } of read()) result.observe(value, labels);
      });
    },
    handle: (request, response) => exporter.getMetricsRequestHandler(request, response),
    close: () => provider.shutdown(),
  };
}
