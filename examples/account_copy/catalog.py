"""Reads from PostgreSQL's catalogs which tables and views an account has, and how each one is defined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carto.sql import Identifier, SQLClient

#: Kinds of relations, in PostgreSQL's letters.
VIEWS = ("v", "m")
MATERIALIZED = "m"
PARTITIONED = "p"

_RELATIONS = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
       has_table_privilege(c.oid, 'SELECT') AS readable, pg_table_size(c.oid) AS size
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition
  AND n.nspname NOT IN ('cartodb', 'carto_sandbox', 'information_schema', 'topology', 'tiger', 'tiger_data')
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT LIKE 'cdb\\_%'
  AND has_schema_privilege(n.oid, 'USAGE')
  AND NOT EXISTS (  -- what PostGIS and other extensions brought along
      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.oid
"""

# Numbers that JSON would round are sent as text. Columns of the catalogs that older servers lack are read through JSON.
_DEFINITION = """
SELECT json_build_object(
    'kind', c.relkind::text,
    'comment', obj_description(c.oid, 'pg_class'),
    'public', (SELECT has_table_privilege(r.oid, c.oid, 'SELECT') FROM pg_roles r WHERE r.rolname = 'publicuser'),
    'cartodbfied', EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'track_updates'),
    'view', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
    'columns', (
        SELECT json_agg(json_build_object(
            'name', a.attname,
            'type', format_type(a.atttypid, a.atttypmod),
            'collation', (
                SELECT format('%%I.%%I', cn.nspname, co.collname)
                FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
                WHERE co.oid = a.attcollation AND a.attcollation <> t.typcollation),
            'not_null', a.attnotnull,
            'default', pg_get_expr(d.adbin, d.adrelid),
            'generated', coalesce(to_jsonb(a) ->> 'attgenerated', '') <> '',
            'identity', nullif(to_jsonb(a) ->> 'attidentity', ''),
            'comment', col_description(c.oid, a.attnum),
            'sequence', (
                SELECT json_build_object(
                    'name', s.sequencename, 'type', s.data_type::text, 'start', s.start_value::text,
                    'min', s.min_value::text, 'max', s.max_value::text, 'increment', s.increment_by::text,
                    'cache', s.cache_size::text, 'cycle', s.cycle,
                    'readable', has_sequence_privilege(sc.oid, 'SELECT'), 'schema', s.schemaname,
                    'owned', EXISTS (
                        SELECT FROM pg_depend o
                        WHERE o.classid = 'pg_class'::regclass AND o.objid = sc.oid AND o.refobjid = c.oid
                          AND o.refobjsubid = a.attnum AND o.deptype IN ('a', 'i')))
                FROM pg_class sc
                JOIN pg_namespace sn ON sn.oid = sc.relnamespace
                JOIN pg_sequences s ON s.schemaname = sn.nspname AND s.sequencename = sc.relname
                WHERE sc.oid IN (
                    SELECT u.refobjid FROM pg_depend u
                    WHERE u.classid = 'pg_attrdef'::regclass AND u.objid = d.oid
                      AND u.refclassid = 'pg_class'::regclass
                    UNION ALL
                    SELECT u.objid FROM pg_depend u
                    WHERE u.classid = 'pg_class'::regclass AND u.refclassid = 'pg_class'::regclass
                      AND u.refobjid = c.oid AND u.refobjsubid = a.attnum AND u.deptype = 'i')
                LIMIT 1)
        ) ORDER BY a.attnum)
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'constraints', (
        SELECT json_agg(json_build_object(
            'name', k.conname, 'type', k.contype::text, 'definition', pg_get_constraintdef(k.oid)) ORDER BY k.oid)
        FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'c', 'x', 'f')),
    'indexes', (
        SELECT json_agg(json_build_object(
            'name', ic.relname, 'unique', i.indisunique, 'using', substr(pg_get_indexdef(ic.oid), 1 + length(format(
                'CREATE %%sINDEX %%I ON %%s%%I.%%I USING', CASE WHEN i.indisunique THEN 'UNIQUE ' END, ic.relname,
                CASE c.relkind WHEN 'p' THEN 'ONLY ' END, n.nspname, c.relname)))) ORDER BY ic.oid)
        FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
        WHERE i.indrelid = c.oid
          AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = ic.oid AND k.contype IN ('p', 'u', 'x'))),
    'triggers', (
        SELECT json_agg(pg_get_triggerdef(g.oid) ORDER BY g.tgname)
        FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace pn ON pn.oid = p.pronamespace
        WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND pn.nspname <> 'cartodb')
) AS definition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s::regclass
"""

_SERVER = """
SELECT current_setting('server_version') AS postgresql, current_schema() AS schema,
       (SELECT extversion FROM pg_extension WHERE extname = 'postgis') AS postgis
"""


@dataclass(frozen=True)
class Relation:
    """A table or view of the account.

    Attributes:
        kind: r (table), p (partitioned table), f (foreign table), v (view) or m (materialized view).
        readable: Whether the key may read its rows.
        size: Bytes on the server's disk.
    """

    schema: str
    name: str
    kind: str
    readable: bool
    size: int

    @property
    def identifier(self) -> Identifier:
        """Its name with the schema, quoted for SQL."""
        return Identifier(self.schema, self.name)

    @property
    def is_view(self) -> bool:
        """Whether it is defined by a query."""
        return self.kind in VIEWS


def relations(sql: SQLClient) -> list[Relation]:
    """List the tables and views of the account, oldest first, those that the key can't read among them."""
    return [Relation(**row) for row in sql.send(_RELATIONS, idempotent=True)["rows"]]


def definition_of(sql: SQLClient, relation: Relation) -> dict[str, Any]:
    """Read how a table or view is defined; `account_copy.statements` makes SQL of it."""
    rows = sql.send(_DEFINITION, params=[str(relation.identifier)], idempotent=True)["rows"]
    definition: dict[str, Any] = rows[0]["definition"]
    for column in definition["columns"] or ():
        if column["sequence"] and column["sequence"]["readable"]:
            column["sequence"].update(_position_of(sql, column["sequence"]))
    return {"schema": relation.schema, "name": relation.name, **definition}


def _position_of(sql: SQLClient, sequence: dict[str, Any]) -> dict[str, Any]:
    """Read where a sequence is: its last value, and whether that has been used."""
    query = "SELECT last_value::text AS last, is_called AS called FROM %s"
    name = Identifier(sequence["schema"], sequence["name"])
    position: dict[str, Any] = sql.send(query, params=[name], idempotent=True)["rows"][0]
    return position


def server_of(sql: SQLClient) -> dict[str, Any]:
    """Read the versions of the database, and in which schema the account's tables are."""
    server: dict[str, Any] = sql.send(_SERVER, idempotent=True)["rows"][0]
    return server
