import { WarrenError } from "@warren/protocol";

/**
 * What an error of the database means for who called:
 * `unavailable`: away or refusing for now; ask again. `unique`: a unique key exists. `data`: the values cannot be stored, ever. `bug`: our SQL is wrong.
 */
export type DatabaseErrorKind = "unavailable" | "unique" | "data" | "bug";

/** The SQLSTATE of an error of PostgreSQL, if it has one. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** Sorts an error by its SQLSTATE; errors without one come from the connection. */
export function classifyDatabaseError(error: unknown): DatabaseErrorKind {
  const state = sqlStateOf(error);
  if (state === undefined) return "unavailable";
  if (state === "23505") return "unique";
  switch (state.slice(0, 2)) {
    // Data exceptions, integrity constraints, program limits.
    case "22":
    case "23":
    case "54":
      return "data";
    // Connection, rolled back (serialization, deadlock), resources, operator, lock time-outs, system, wrong password or role for now.
    case "08":
    case "25":
    case "28":
    case "3D":
    case "40":
    case "53":
    case "55":
    case "57":
    case "58":
    case "XX":
      return "unavailable";
    default:
      return "bug";
  }
}

/** Whether the statement may have committed although it failed: the connection broke, or nothing answered. */
export function outcomeIsUnknown(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state === undefined) return !isRefusal(error);
  // admin shutdown and crash shutdown may strike between commit and answer; a cancelled or timed out statement was rolled back.
  return state.startsWith("08") || state === "57P01" || state === "57P02";
}

/** The connection was never made, so nothing was sent. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  return (
    ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"].includes(code) ||
    /timeout exceeded when trying to connect|Connection terminated due to connection timeout/i.test(error.message)
  );
}

/** Of what is kept of a refusal: enough to find its cause, whatever the message quotes. */
const refusalLength = 500;

/** What the database said of data that it does not take, for who looks after quarantine; it may quote the data. */
export function describeRefusal(error: unknown): string {
  return `PostgreSQL says ${sqlStateOf(error) ?? "nothing"}: ${reasonOf(error)}`.slice(0, refusalLength);
}

/** The error for the caller: what the database said stays in `cause`, SQL and data never reach a client. */
export function toStoreError(error: unknown): WarrenError {
  if (error instanceof WarrenError) return error;
  const kind = classifyDatabaseError(error);
  const state = sqlStateOf(error);
  if (kind === "unavailable") {
    const why = state === undefined ? reasonOf(error) : `PostgreSQL says ${state}`;
    return new WarrenError("STORE_UNAVAILABLE", `the database does not answer (${why}); it is tried again`, { cause: error });
  }
  return new WarrenError("ILLEGAL_STATE", `a statement failed with SQLSTATE ${state ?? "none"}`, { cause: error });
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
