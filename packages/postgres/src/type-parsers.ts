import pg from "pg";

/** OID of int8 in pg_type. */
const int8 = 20;

/** Makes a value of the text of one: bigint for int8, what pg makes for the rest. Offsets are int8 and pass 2^53 in principle. */
export function parserOf(oid: number): (text: string) => unknown {
  return oid === int8 ? BigInt : (pg.types.getTypeParser as (oid: number, format: "text") => (text: string) => unknown)(oid, "text");
}
