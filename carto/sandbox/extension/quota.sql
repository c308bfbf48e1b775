-- How much room the user's data takes, and how much it may take.

-- Half of what the tables take on disk: the_geom_webmercator, which repeats the_geom, is not charged.
CREATE OR REPLACE FUNCTION cartodb.CDB_UserDataSize(schema_name text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(pg_catalog.pg_total_relation_size(oid)) / 2, 0)::bigint
    FROM cartodb._CDB_DataTables WHERE nspname = schema_name
$$;

CREATE OR REPLACE FUNCTION cartodb.CDB_UserDataSize() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT cartodb.CDB_UserDataSize('public') $$;

-- The quota is the body of a function: whoever may not replace the function can't change the quota.
-- Zero means unlimited. Returns the quota before the call.
CREATE OR REPLACE FUNCTION cartodb.CDB_SetUserQuotaInBytes(bytes bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    previous bigint := 0;
BEGIN
    IF to_regprocedure('cartodb._CDB_UserQuotaInBytes()') IS NOT NULL THEN
        previous := cartodb._CDB_UserQuotaInBytes();
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION cartodb._CDB_UserQuotaInBytes() RETURNS bigint LANGUAGE sql STABLE AS %L',
        format('SELECT %s::bigint', bytes)
    );
    RETURN previous;
END
$$;

REVOKE ALL ON FUNCTION cartodb.CDB_SetUserQuotaInBytes(bigint) FROM PUBLIC;

SELECT cartodb.CDB_SetUserQuotaInBytes(0) WHERE to_regprocedure('cartodb._CDB_UserQuotaInBytes()') IS NULL;

-- The real extension rolls dice before it looks, so that big writes stay fast; one look after each statement costs
-- about as little, and never lets a table grow past the quota. Optional trigger argument: the schema to measure.
-- Runs with its own rights, as a writer need not be able to read every table's size.
CREATE OR REPLACE FUNCTION cartodb.CDB_CheckQuota() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    quota bigint := cartodb._CDB_UserQuotaInBytes();
    used bigint;
BEGIN
    IF quota = 0 THEN
        RETURN NULL;
    END IF;
    used := cartodb.CDB_UserDataSize(coalesce(TG_ARGV[0], TG_TABLE_SCHEMA));
    IF used > quota THEN
        RAISE EXCEPTION 'Quota exceeded by %KB', (used - quota) / 1024;
    END IF;
    RETURN NULL;
END
$$;
