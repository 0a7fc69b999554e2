import type { MessageInitShape } from "@bufbuild/protobuf";
import { Limits, type Offset, type Settled } from "@warren/protocol";
import type { AckRequestSchema, ParkRequestSchema } from "@warren/protocol/v1";
import type { Failure } from "../machine/session-machine.ts";

type AckRequest = MessageInitShape<typeof AckRequestSchema>;
type ParkRequest = MessageInitShape<typeof ParkRequestSchema>;

/** What waits to be sent to the broker. Acks are joined: at most one waits. */
export class Outbox {
  #settled: Settled | undefined;
  #sides: bigint[] = [];
  readonly #parks: ParkRequest[] = [];

  readonly commands = {
    ack: (settled: Settled): void => {
      this.#settled = settled;
      this.#wake();
    },
    ackSide: (deliveryId: bigint): void => {
      this.#sides.push(deliveryId);
      this.#wake();
    },
    park: (what: { readonly offset: Offset } | { readonly deliveryId: bigint }, failure: Failure): void => {
      this.#parks.push({ ...what, ...failure });
      this.#wake();
    },
  };

  /** An empty ack, when none waits: a sign of life. */
  touch(): void {
    this.#settled ??= { mark: 0n, ranges: [] };
    this.#wake();
  }

  readonly #wake: () => void;

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** What is to be sent next. Parks before acks: an ack must not run ahead of what failed. */
  next(): { readonly park: ParkRequest } | { readonly ack: AckRequest } | undefined {
    const park = this.#parks.shift();
    if (park !== undefined) return { park };
    if (this.#settled === undefined && this.#sides.length === 0) return undefined;
    const { mark, ranges } = this.#settled ?? { mark: 0n, ranges: [] };
    const deliveryIds = this.#sides;
    this.#settled = undefined;
    this.#sides = [];
    return { ack: { upToOffset: mark, ranges: ranges.slice(0, Limits.ackRanges), deliveryIds } };
  }
}
