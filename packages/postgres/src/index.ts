export {
  classifyDatabaseError,
  describeRefusal,
  outcomeIsUnknown,
  sqlStateOf,
  toStoreError,
  type DatabaseErrorKind,
} from "./database-errors.ts";
export { openDatabase, schemaName, type Database, type DatabaseOptions } from "./database.ts";
export { migrate, type Migrations } from "./migrate.ts";
