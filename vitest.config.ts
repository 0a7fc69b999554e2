import { defineConfig } from "vitest/config";

const sources = ["packages/*/src/**", "apps/*/src/**", "bench/src/**", "tools/**"];
const under = (suffix: string) => sources.map((folder) => `${folder}/*.${suffix}.ts`);
const conditions = ["@warren/source", "module", "node", "default"];

/** Three projects by what a test needs: `unit` nothing, `int` RabbitMQ and PostgreSQL, `e2e` also the built apps as processes. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["node", "default"] } },
  test: {
    // Every test has mocks of its own. Clearing all of them before each test takes the calls of those that run beside it.
    clearMocks: false,
    globalSetup: ["./tools/test/servers.ts"],
    reporters: ["default", "./tools/test/closing-line.ts"],
    projects: [
      { extends: true, test: { name: "unit", include: under("test"), exclude: [...under("int.test"), ...under("e2e.test")] } },
      {
        extends: true,
        test: {
          name: "int",
          include: under("int.test"),

          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: under("e2e.test"),

          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
