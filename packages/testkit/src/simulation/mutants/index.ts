import { client } from "./client.ts";
import { consumer } from "./consumer.ts";
import { delivery } from "./delivery.ts";
import type { Mutant } from "./mutant.ts";
import { stores } from "./stores.ts";
import { surroundings } from "./surroundings.ts";
import { writeSide } from "./write-side.ts";

/** All planted bugs. Each by itself must be found. */
export const mutants: readonly Mutant[] = [...writeSide, ...consumer, ...delivery, ...stores, ...client, ...surroundings];
