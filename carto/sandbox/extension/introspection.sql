-- What tables, columns and queries consist of.

CREATE OR REPLACE FUNCTION cartodb.CDB_Version() RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT '0.37.1' $$;  -- the release of the real extension that is modelled here

-- The ordinary tables of the schemas that hold a user's data.
CREATE OR REPLACE VIEW cartodb._CDB_DataTables AS
SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('cartodb', 'pg_catalog', 'information_schema', 'topology')
  AND n.nspname NOT LIKE 'pg\_%'
  AND NOT EXISTS (  -- spatial_ref_sys and other tables that extensions brought along
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  );
GRANT SELECT ON cartodb._CDB_DataTables TO PUBLIC;

-- perm: 'all' (what the caller can read), 'public' (what the public role can read) or 'private' (the rest).
CREATE OR REPLACE FUNCTION cartodb.CDB_UserTables(perm text DEFAULT 'all') RETURNS SETOF name
LANGUAGE sql STABLE AS $$
    SELECT t.relname
    FROM cartodb._CDB_DataTables t,
         LATERAL (SELECT pg_catalog.has_table_privilege(cartodb._CDB_PublicRole(), t.oid, 'SELECT')) AS p (is_public)
    WHERE pg_catalog.has_table_privilege(t.oid, 'SELECT')
      AND (perm = 'all' OR (perm = 'public' AND p.is_public) OR (perm = 'private' AND NOT p.is_public))
$$;

CREATE OR REPLACE FUNCTION cartodb.CDB_ColumnNames(reloid regclass) RETURNS SETOF name
LANGUAGE sql STABLE AS $$
    SELECT a.attname FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = reloid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
$$;

CREATE OR REPLACE FUNCTION cartodb.CDB_ColumnType(reloid regclass, column_name text)
RETURNS information_schema.character_data
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = reloid AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped
$$;

-- The statements of a text, split at the semicolons outside of quotes and comments.
CREATE OR REPLACE FUNCTION cartodb.CDB_QueryStatements(query text) RETURNS SETOF text
LANGUAGE plpgsql IMMUTABLE STRICT AS $fn$
DECLARE
    -- A comment, a quoted text, a semicolon, or one other character. {1,1}? makes the whole prefer the shortest match.
    token CONSTANT text := $re$((?:--[^\n]*(?:\n|$)|/\*.*?\*/|'[^']*'|"[^"]*"|(\$(?:[[:alpha:]_]\w*)?\$).*?\2|;$re$
        || $re$|[^-/'"$;]|-(?!-)|/(?!\*)|\$(?!(?:[[:alpha:]_]\w*)?\$)){1,1}?)$re$;
BEGIN
    IF rtrim(query, E'; \t\r\n') NOT LIKE '%;%' THEN
        RETURN NEXT query;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT btrim(string_agg(piece, '' ORDER BY place), E' \t\r\n')
        FROM (
            SELECT matched[1] AS piece, place, count(*) FILTER (WHERE matched[1] = ';') OVER (ORDER BY place) AS number
            FROM regexp_matches(query, token, 'g') WITH ORDINALITY AS tokens (matched, place)
        ) AS numbered
        WHERE piece <> ';'
        GROUP BY number
        HAVING string_agg(piece, '') !~ '^\s*$'
        ORDER BY number;
END
$fn$;

-- Every (schema, table) that a query reads or writes, as the planner sees them: views are followed to their tables.
CREATE OR REPLACE FUNCTION cartodb._CDB_QueryRelations(query text) RETURNS TABLE (schema_name text, table_name text)
LANGUAGE plpgsql AS $$
DECLARE
    statement text;
    plan jsonb;
BEGIN
    FOR statement IN SELECT cartodb.CDB_QueryStatements(query) LOOP
        BEGIN
            EXECUTE 'EXPLAIN (FORMAT JSON, VERBOSE) ' || statement INTO plan;
        EXCEPTION WHEN syntax_error THEN
            CONTINUE;  -- EXPLAIN takes no data definition
        END;
        RETURN QUERY
            SELECT node ->> 'Schema', node ->> 'Relation Name'
            FROM jsonb_path_query(plan, 'strict $.** ? (exists (@."Relation Name"))') AS node;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION cartodb.CDB_QueryTablesText(query text) RETURNS text[]
LANGUAGE sql AS $$
    SELECT coalesce(array_agg(DISTINCT format('%I.%I', schema_name, table_name) COLLATE "C"), '{}')
    FROM cartodb._CDB_QueryRelations(query)
$$;

CREATE OR REPLACE FUNCTION cartodb.CDB_QueryTables(query text) RETURNS name[]
LANGUAGE sql AS $$ SELECT cartodb.CDB_QueryTablesText(query)::name[] $$;
