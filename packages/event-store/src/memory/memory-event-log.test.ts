import { describeEventLog } from "../contract/index.ts";
import { createMemoryEventLog } from "./memory-event-log.ts";

describeEventLog("memory", async () => {
  const log = createMemoryEventLog();
  return {
    log,
    faults: {
      async loseAnswerOf(append) {
        log.failNextAppend("committed");
        return append();
      },
      async away(append) {
        log.failNextAppend("away");
        return append();
      },
      async late(append) {
        log.failNextAppend("late");
        await append().catch(() => undefined);
        return async () => void log.commitLate();
      },
      refuse: async (id) => log.refuse(id),
    },
    close: () => Promise.resolve(),
  };
});
