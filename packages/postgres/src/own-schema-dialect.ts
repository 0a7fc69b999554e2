import { PostgresDialect, sql, type DatabaseIntrospector, type Kysely } from "kysely";

/**
 * kysely's migrator asks which tables exist, and its own answer looks at every schema of the database: one that somebody else drops at that moment ends the look
 * with an error. Ours looks at one schema, and only for what the migrator needs: names.
 */
export class OwnSchemaDialect extends PostgresDialect {
  readonly #schema: string;

  constructor(config: ConstructorParameters<typeof PostgresDialect>[0], schema: string) {
    super(config);
    this.#schema = schema;
  }

  override createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    const schema = this.#schema;
    return {
      async getSchemas() {
        const { rows } = await sql<{ name: string }>`select nspname as name from pg_catalog.pg_namespace where nspname = ${schema}`.execute(
          db,
        );
        return rows;
      },
      async getTables() {
        const { rows } = await sql<{
          name: string;
        }>`select tablename as name from pg_catalog.pg_tables where schemaname = ${schema}`.execute(db);
        return rows.map(({ name }) => ({ name, schema, isView: false, isForeign: false, columns: [] }));
      },
    };
  }
}
