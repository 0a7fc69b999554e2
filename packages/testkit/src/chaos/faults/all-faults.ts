import type { Fault } from "../fault.ts";
import { networkFaults } from "./network.ts";
import { processFaults } from "./processes.ts";
import { serverFaults } from "./servers.ts";

/** Every kind of fault. */
export const allFaults: readonly Fault[] = [...processFaults, ...serverFaults, ...networkFaults];
