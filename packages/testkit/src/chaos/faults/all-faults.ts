import type { Fault } from "../fault.ts";
import { clientFaults } from "./clients.ts";
import { messageFaults } from "./messages.ts";
import { networkFaults } from "./network.ts";
import { operatorFaults } from "./operator.ts";
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
];
