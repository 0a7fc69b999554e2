import { openJournal } from "../journal.ts";
import { startPublisher } from "./publisher.ts";
import { startReaders } from "./readers.ts";
import type { WorkerCommand, WorkerProgress, WorkerStart } from "./spec.ts";

/** How often it tells how far it is. */
const progressMs = 250;

const { spec, folder, incarnation } = JSON.parse(process.argv[2] ?? "{}") as WorkerStart;
const journal = openJournal(folder, `${spec.name}.${incarnation}`);
const publisher = spec.kind === "publisher" ? startPublisher(spec, incarnation, journal) : undefined;
const readers = spec.kind === "readers" ? startReaders(spec, incarnation, journal) : undefined;

function tell(): void {
  const progress: WorkerProgress = {
    ready: readers?.ready ?? true,
    published: publisher?.published ?? 0,
    taken: readers?.taken ?? 0,
    offsets: readers?.offsets ?? {},
  };
  process.send?.(progress);
}
setInterval(tell, progressMs);

async function stop(): Promise<void> {
  await publisher?.stop();
  await readers?.stop();
  tell();
  journal.close();
  process.exit(0);
}

process.on("message", (command: WorkerCommand) => {
  if (command === "hurry") readers?.hurry();
  else if (command === "burst") publisher?.burst();
  else void stop();
});
// Whoever started it is gone.
process.on("disconnect", () => process.exit(1));
