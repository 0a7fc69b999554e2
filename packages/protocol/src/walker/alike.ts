import { Limits } from "../limits.ts";
import { commonBytes } from "./common-bytes.ts";
import { isPlain, isUtf8 } from "./utf8.ts";
import type { WireReader } from "./wire.ts";

/** An event that passed the walk and is of the shape that publishers of ours write: its id comes first, tag and length a byte each, and its body last. */
export interface Model {
  /** Where that lies which is between id and body, the tag of the body with it. */
  readonly from: number;
  readonly size: number;
  /** Its body is text. */
  readonly text: boolean;
  readonly source: string;
  readonly type: string;
}

/** Field 1 of Event, length-delimited. */
const idTag = 0x0a;
/** The largest length that is written in one byte. */
const shortLength = 0x7f;

/**
 * Where the id ends of an event that differs from the model in nothing but id and body, and passes the walk; 0: it is for the walk to say. Under load most events of a
 * pack are such, also in their time, which publishers give in milliseconds: that their bytes are those of the model is seen faster than what they say.
 *
 * It is as good as a walk: between id and body are the same fields in the same bytes, none of them an id; id, body and size are looked at here.
 */
export function endOfIdAlike(reader: WireReader, view: DataView, model: Model, start: number, end: number): number {
  const { bytes } = reader;
  const idFrom = start + 2;
  const idSize = bytes[start + 1] ?? 0;
  const idTo = idFrom + idSize;
  const lengthAt = idTo + model.size;
  if (bytes[start] !== idTag || idSize === 0 || idSize > shortLength || lengthAt >= end || end - start > Limits.eventBytes) return 0;
  if (commonBytes(view, idTo, view, model.from, model.size) < model.size || !isPlain(bytes, idFrom, idTo)) return 0;
  reader.position = lengthAt;
  reader.end = end;
  const length = reader.length();
  if (length < 0 || reader.position + length !== end) return 0;
  return model.text && !isUtf8(bytes, reader.position, end) ? 0 : idTo;
}
