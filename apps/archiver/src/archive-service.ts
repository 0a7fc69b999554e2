import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { ArchivedEvent, ArchiveFilter, ArchiveStore } from "@warren/event-store/archive";
import { checkPatterns, WarrenError } from "@warren/protocol";
import type { ArchivedEventSchema, ArchiveFilter as FilterMessage, ArchiveService } from "@warren/protocol/v1";

/** Events of one message of the stream: bounds what one reader holds in memory. */
const chunkEvents = 200;

/** ReadEvents, GetEvent, CountEvents. */
export function archiveService(store: ArchiveStore): ServiceImpl<typeof ArchiveService> {
  return {
    async *readEvents({ filter, afterPosition, maxEvents }, { signal }) {
      if (afterPosition < 0n || maxEvents < 0n) throw new WarrenError("REQUEST_INVALID", "after_position and max_events must be 0 or more");
      const asked = toFilter(filter);
      const head = await store.head({ signal });
      let after = afterPosition;
      let left = maxEvents === 0n ? head : maxEvents;
      while (left > 0n && after < head) {
        const limit = left < BigInt(chunkEvents) ? Number(left) : chunkEvents;
        const events = (await store.read(asked, after, limit, { signal })).filter(({ position }) => position <= head);
        const last = events.at(-1);
        if (last === undefined) return;
        yield { events: events.map(toMessage) };
        after = last.position;
        left -= BigInt(events.length);
      }
    },
    async getEvent({ source, id }, { signal }) {
      checkText("source", source);
      checkText("id", id);
      const event = await store.get(source, id, { signal });
      if (event === undefined)
        throw new WarrenError("NOT_FOUND", `the archive has no event with source ${JSON.stringify(source)} and id ${JSON.stringify(id)}`);
      return { event: toMessage(event) };
    },
    async countEvents({ filter }, { signal }) {
      const asked = toFilter(filter);
      const headPosition = await store.head({ signal });
      return { count: await store.count(asked, { signal }), headPosition };
    },
  };
}

function toFilter(filter: FilterMessage | undefined): ArchiveFilter {
  const patterns = filter?.patterns ?? [];
  if (patterns.length > 0) checkPatterns(patterns);
  const fromTime = toTime("from_time", filter?.fromTime);
  const untilTime = toTime("to_time", filter?.toTime);
  if (fromTime !== undefined && untilTime !== undefined && fromTime > untilTime)
    throw new WarrenError("REQUEST_INVALID", "from_time is after to_time");
  checkText("source", filter?.source ?? "");
  return { patterns, source: filter?.source === "" ? undefined : filter?.source, fromTime, toTime: untilTime };
}

/** Years 1 to 9999, as google.protobuf.Timestamp has it: PostgreSQL ends not far behind. */
function toTime(name: string, time: Timestamp | undefined): number | undefined {
  if (time === undefined) return undefined;
  const ms = timestampMs(time);
  if (ms >= -62_135_596_800_000 && ms < 253_402_300_800_000) return ms;
  throw new WarrenError("REQUEST_INVALID", `${name} is outside the years 1 to 9999`);
}

/** No stored text has a NUL, and PostgreSQL refuses to compare with one. */
function checkText(name: string, text: string): void {
  if (text.includes("\0")) throw new WarrenError("REQUEST_INVALID", `${name} has a NUL character`);
}

function toMessage({ position, recordedAt, event }: ArchivedEvent): MessageInitShape<typeof ArchivedEventSchema> {
  return { position, recordedAt: timestampFromMs(recordedAt), event };
}
