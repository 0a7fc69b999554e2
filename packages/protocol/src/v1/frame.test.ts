import { expect, test } from "vitest";
import { FrameSchema, SubscribeResponseSchema } from "./index.ts";

test("the SDK's frame has the wire of SubscribeResponse: numbers, names and messages are the same, but batches are bytes", () => {
  const sideOf = (schema: typeof FrameSchema | typeof SubscribeResponseSchema) => schema.field.side.message?.fields ?? [];
  const shape = (fields: typeof FrameSchema.fields) =>
    fields.map(({ number, name, message, scalar }) => {
      const bytes = name === "batch" || name === "side";
      return { number, name, type: bytes ? undefined : (message?.typeName ?? scalar) };
    });
  expect(shape(FrameSchema.fields)).toEqual(shape(SubscribeResponseSchema.fields));
  expect(shape(sideOf(FrameSchema))).toEqual(shape(sideOf(SubscribeResponseSchema)));
});
