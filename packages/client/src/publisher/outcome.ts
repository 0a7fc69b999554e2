import type { WarrenError } from "@warren/protocol";

/** What became of one event. */
export type EventOutcome = { readonly kind: "ok" } | { readonly kind: "rejected" | "indeterminate"; readonly error: WarrenError };
