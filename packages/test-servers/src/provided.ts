import type {} from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** A RabbitMQ on which tests may make what they like, under a namespace of their own. */
    readonly amqpUrl: string;
    /** A PostgreSQL database in which tests may make schemas. */
    readonly databaseUrl: string;
  }
}
