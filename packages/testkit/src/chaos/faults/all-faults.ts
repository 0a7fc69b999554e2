import type { Fault } from "../fault.ts";
import { clientFaults } from "./clients.ts";
import { diskFull } from "./disk-full.ts";
import { failpointFaults } from "./failpoints.ts";
import { messageFaults } from "./messages.ts";
import { networkFaults } from "./network.ts";
import { operatorFaults } from "./operator.ts";
import { postgresFaults } from "./postgres.ts";
import { processFaults } from "./processes.ts";
import { serverFaults } from "./servers.ts";

/** Every kind of fault. */
export const allFaults: readonly Fault[] = [
  ...processFaults,
  ...serverFaults,
  ...networkFaults,
  ...clientFaults,
  ...operatorFaults,
  ...messageFaults,
  ...postgresFaults,
  diskFull,
  ...failpointFaults,
];
