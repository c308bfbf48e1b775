-- When each table's data last changed.

CREATE TABLE IF NOT EXISTS cartodb.CDB_TableMetadata (
    tabname regclass PRIMARY KEY,
    updated_at timestamp with time zone NOT NULL DEFAULT now()
);
GRANT SELECT ON cartodb.CDB_TableMetadata TO PUBLIC;

CREATE OR REPLACE VIEW cartodb.CDB_TableMetadata_Text AS
SELECT format('%I.%I', n.nspname, c.relname) AS tabname, m.updated_at
FROM cartodb.CDB_TableMetadata m
JOIN pg_catalog.pg_class c ON c.oid = m.tabname
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace;
GRANT SELECT ON cartodb.CDB_TableMetadata_Text TO PUBLIC;

-- Writers other than the owner reach this through the trigger, so it runs with its own rights.
CREATE OR REPLACE FUNCTION cartodb.CDB_TableMetadataTouch(tablename regclass) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO cartodb.CDB_TableMetadata AS m (tabname, updated_at) VALUES (tablename, now())
    ON CONFLICT (tabname) DO UPDATE SET updated_at = now() WHERE m.updated_at < now()
$$;

CREATE OR REPLACE FUNCTION cartodb._CDB_TrackUpdates() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cartodb.CDB_TableMetadataTouch(TG_RELID);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION cartodb.CDB_QueryTables_Updated_At(query text)
RETURNS TABLE (dbname text, schema_name text, table_name text, updated_at timestamp with time zone)
LANGUAGE sql AS $$
    SELECT DISTINCT current_database()::text, r.schema_name, r.table_name, m.updated_at
    FROM cartodb._CDB_QueryRelations(query) r
    LEFT JOIN cartodb.CDB_TableMetadata m ON m.tabname = to_regclass(format('%I.%I', r.schema_name, r.table_name))
$$;
