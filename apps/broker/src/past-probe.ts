import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { WarrenError } from "@warren/protocol";
import { ArchiveService } from "@warren/protocol/v1";
import { noArchive, type PastProbe } from "@warren/receiver-core";

/** Asks the archiver whether there is a past. Without its address there is no archive. */
export function createPastProbe(archiveUrl: string | undefined): PastProbe {
  if (archiveUrl === undefined) return noArchive;
  const client = createClient(ArchiveService, createConnectTransport({ baseUrl: archiveUrl, httpVersion: "1.1", defaultTimeoutMs: 3_000 }));
  return {
    async archiveHoldsEvents({ signal }) {
      try {
        return (await client.countEvents({}, { signal })).headPosition > 0n;
      } catch (error) {
        const text = `the archiver at ${archiveUrl} does not say whether there are older events; start it, start with latest, or unset WARREN_ARCHIVE_URL`;
        throw new WarrenError("STORE_UNAVAILABLE", text, { cause: error });
      }
    },
  };
}
