import { createRequire } from "node:module";
import type { NewEvent } from "@warren/client";

interface Example {
  readonly name: string;
  readonly examples: readonly { readonly action?: string; readonly repository?: { readonly full_name?: string } }[];
}

/** The payloads of GitHub's webhooks as events: real data with real shapes, 329 of them, types `com.github.<event>[.<action>]`. */
export function githubEvents(): readonly NewEvent[] {
  // A JSON main without types that say so.
  const all = createRequire(import.meta.url)("@octokit/webhooks-examples") as readonly Example[];
  return all.flatMap(({ name, examples }) =>
    examples.map((data) => ({
      type: ["com", "github", name, ...(data.action === undefined ? [] : [data.action])].join("."),
      source: data.repository?.full_name === undefined ? "/github" : `/repos/${data.repository.full_name}`,
      data,
    })),
  );
}
