import { Limits, type IdSource, type TopicMatcher } from "@warren/protocol";
import { packContentType, unpack, unpackMessage, type AmqpMessage } from "@warren/protocol/amqp";
import { bytesOf, type MessageParts, type PendingMessage } from "./machine/pending-messages.ts";

/** What a receiver takes messages apart with. */
export interface UnpackDeps {
  readonly ids: IdSource;
  readonly matcher: TopicMatcher;
}

/**
 * A delivery as it waits for its batch. A pack stays the bytes it is: taken apart at once, the messages of one prefetch are tens of thousands of small objects, which
 * every collection of garbage goes through. Any other message is at most one event, and is taken apart here: so its headers count in `bytes`, what is too large is
 * not held, and an id that is made for it is made once.
 */
export function pendingMessage(delivery: AmqpMessage & { readonly tag: number }, deps: UnpackDeps): PendingMessage {
  const { tag, body } = delivery;
  if (delivery.contentType === packContentType && body.length <= Limits.messageBytes) return new PendingPack(tag, body, deps.matcher);
  const parts = unpackMessage(delivery, deps);
  return { tag, bytes: bytesOf(parts), unpack: () => parts };
}

/** Holds the body alone of all that was delivered. */
class PendingPack implements PendingMessage {
  readonly tag: number;
  readonly #body: Uint8Array;
  readonly #matcher: TopicMatcher;
  #parts: MessageParts | undefined;

  constructor(tag: number, body: Uint8Array, matcher: TopicMatcher) {
    this.tag = tag;
    this.#body = body;
    this.#matcher = matcher;
  }

  get bytes(): number {
    return this.#body.length;
  }

  unpack(): MessageParts {
    this.#parts ??= unpack(this.#body, this.#matcher);
    return this.#parts;
  }
}
