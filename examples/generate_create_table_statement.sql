-- Write the statements that make one table of an account again, without its rows: its columns, constraints, indexes and
-- comments, and CDB_CartodbfyTable where CARTO's triggers are on it. Functions and triggers of its owner are left out.
--
-- export_create_tables.py and duplicate_table.py send this query; %(table)s is the name of the table, quoted if need
-- be. To run it elsewhere, put 'my_table' there. It changes nothing, and gives one row:
--
--   create_table   the statements, or NULL when there is no such table
--   foreign_keys   the constraints that refer to other tables, which have to be there first; NULL when there are none
--   is_cartodbfied whether the last of the statements cartodbfies the table
WITH source AS (
    SELECT c.oid, c.relname, n.nspname, quote_ident(c.relname) AS name,
           EXISTS (
               SELECT FROM pg_trigger t
               WHERE t.tgrelid = c.oid AND t.tgname = 'update_the_geom_webmercator_trigger'
           ) AS is_cartodbfied
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass(%(table)s) AND c.relkind = 'r'
),
columns AS (
    SELECT a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, d.oid AS default_id,
           pg_get_expr(d.adbin, d.adrelid) AS expression,
           i.is_generated = 'ALWAYS' AS is_generated,
           'GENERATED ' || i.identity_generation || ' AS IDENTITY' AS identity,
           'COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname) AS collate_clause,
           i.identity_generation IS NULL
               AND pg_get_serial_sequence(s.oid::regclass::text, a.attname) IS NOT NULL
               AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%%' AS is_serial
    FROM source s
    JOIN pg_attribute a ON a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN information_schema.columns i  -- tells of generated columns on every version of PostgreSQL
        ON (i.table_schema, i.table_name, i.column_name) = (s.nspname, s.relname, a.attname)
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation co ON co.oid = a.attcollation AND a.attcollation <> t.typcollation
    LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
),
inner_lines AS (
    SELECT 1 AS part, attnum::bigint AS place, concat_ws(' ',
               quote_ident(attname),
               CASE WHEN is_serial THEN
                   CASE atttypid WHEN 'bigint'::regtype THEN 'bigserial'
                                 WHEN 'smallint'::regtype THEN 'smallserial'
                                 ELSE 'serial' END
               ELSE format_type(atttypid, atttypmod) END,
               collate_clause,
               CASE WHEN is_generated THEN 'GENERATED ALWAYS AS (' || expression || ') STORED'
                    WHEN identity IS NOT NULL THEN identity
                    WHEN NOT is_serial THEN 'DEFAULT ' || expression END,
               CASE WHEN attnotnull THEN 'NOT NULL' END
           ) AS line
    FROM columns
    UNION ALL
    SELECT 2, row_number() OVER (ORDER BY c.contype <> 'p', c.conname),
           'CONSTRAINT ' || quote_ident(c.conname) || ' ' || pg_get_constraintdef(c.oid, true)
    FROM source s JOIN pg_constraint c ON c.conrelid = s.oid
    WHERE c.contype IN ('p', 'u', 'c', 'x')
),
statements AS (
    SELECT 1 AS part, 0::bigint AS place, 'CREATE SEQUENCE IF NOT EXISTS ' || r.refobjid::regclass AS statement
    FROM columns c
    JOIN pg_depend r ON r.classid = 'pg_attrdef'::regclass AND r.objid = c.default_id AND r.deptype = 'n'
    JOIN pg_class q ON r.refclassid = 'pg_class'::regclass AND q.oid = r.refobjid AND q.relkind = 'S'
    WHERE NOT c.is_serial
    UNION
    SELECT 2, 0, 'CREATE TABLE ' || s.name || E' (\n    '
                 || (SELECT string_agg(line, E',\n    ' ORDER BY part, place) FROM inner_lines) || E'\n)'
    FROM source s
    UNION ALL
    SELECT 3, row_number() OVER (ORDER BY i.indexrelid::regclass::text), pg_get_indexdef(i.indexrelid, 0, true)
    FROM source s JOIN pg_index i ON i.indrelid = s.oid
    WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype <> 'f')
    UNION ALL
    SELECT 4, c.objsubid,
           CASE WHEN a.attname IS NULL THEN 'COMMENT ON TABLE ' || s.name
                ELSE 'COMMENT ON COLUMN ' || s.name || '.' || quote_ident(a.attname) END
           || ' IS ' || quote_literal(c.description)
    FROM source s
    JOIN pg_description c ON c.classoid = 'pg_class'::regclass AND c.objoid = s.oid
    LEFT JOIN pg_attribute a ON a.attrelid = s.oid AND a.attnum = c.objsubid AND c.objsubid > 0
    UNION ALL
    SELECT 5, 0, 'SELECT CDB_CartodbfyTable(current_schema, ' || quote_literal(s.name) || ')'
    FROM source s WHERE s.is_cartodbfied
)
SELECT (SELECT string_agg(statement || ';', E'\n' ORDER BY part, place) FROM statements) AS create_table,
       (SELECT string_agg('ALTER TABLE ' || s.name || ' ADD CONSTRAINT ' || quote_ident(c.conname) || ' '
                          || pg_get_constraintdef(c.oid, true) || ';', E'\n' ORDER BY c.conname)
        FROM source s JOIN pg_constraint c ON c.conrelid = s.oid AND c.contype = 'f') AS foreign_keys,
       coalesce((SELECT is_cartodbfied FROM source), false) AS is_cartodbfied
