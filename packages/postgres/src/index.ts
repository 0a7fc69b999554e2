export { binaryArray, fixedArray, type BinaryType } from "./binary.ts";
export type { CopyFields } from "./copy-out.ts";
export {
  classifyDatabaseError,
  describeRefusal,
  outcomeIsUnknown,
  sqlStateOf,
  toStoreError,
  type DatabaseErrorKind,
} from "./database-errors.ts";
export { openDatabase, schemaName, type Database, type DatabaseOptions, type PreparedStatement } from "./database.ts";
export type { ParameterValue } from "./execute-messages.ts";
export { migrate, type Migrations } from "./migrate.ts";
