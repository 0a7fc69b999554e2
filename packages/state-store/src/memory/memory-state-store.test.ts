import { describeStateStore } from "../contract/index.ts";
import { createMemoryStateStore } from "./memory-state-store.ts";

describeStateStore("memory", async () => ({ store: createMemoryStateStore(() => 0), close: () => Promise.resolve() }));
