"""Guesses which column of a table without geometries names countries, and gives each row its country's shape.

The shapes in countries.csv are Natural Earth's of 1:110 million (naturalearthdata.com, in the public domain), with two
decimals wherever that leaves them valid; names and codes are theirs, those of ISO 3166 and some in common use. A
country too small for that scale is not among them.
"""

from __future__ import annotations

import csv
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

SAMPLE_ROWS = 1000
MIN_SHARE = 0.8
_FILE = Path(__file__).with_name("countries.csv")
# Columns of text, unless there is a geometry.
_TEXTS = """
SELECT attname FROM pg_attribute WHERE attrelid = %(table)s::regclass AND atttypid = 'text'::regtype AND NOT EXISTS
    (SELECT FROM pg_attribute WHERE attrelid = %(table)s::regclass AND attname = 'the_geom')
ORDER BY attnum
"""
# Codes count only in capitals: "it" and "no" are words, "de" and "fr" languages. All names are longer than codes.
_KEY = "CASE WHEN length(btrim({column})) <= 3 THEN btrim({column}) ELSE lower(btrim({column})) END"
_IS_COUNTRIES = """
SELECT count(DISTINCT key) FILTER (WHERE key = ANY(%(keys)s)) >= 2
    AND count(*) FILTER (WHERE key = ANY(%(keys)s)) >= %(min_share)s * count(*)
FROM (SELECT {key} AS key FROM {table} WHERE btrim({column}) <> '' LIMIT %(sample)s) AS sample
"""
# All rows in their order, by which they get their cartodb_id; a join with the keys would mix them.
_LOCATE = """
UPDATE {table} SET the_geom = known.shapes[(%(numbers)s::jsonb ->> {key})::int]
FROM (SELECT array_agg(ST_GeomFromText(wkt, 4326) ORDER BY number) AS shapes
      FROM unnest(%(shapes)s::text[]) WITH ORDINALITY AS s(wkt, number)) AS known
"""


async def locate(connection: psycopg.AsyncConnection, raw: str) -> None:
    """Add ``the_geom`` to a table that has none, if a column of text holds hardly anything but countries.

    Args:
        connection: Connection of the account's owner, within a transaction.
        raw: Name of the raw table.
    """
    table = sql.Identifier("public", raw)
    texts = await (await connection.execute(_TEXTS, {"table": table.as_string()})).fetchall()
    numbers, shapes = _countries()
    for column in [sql.Identifier("public", raw, row[0]) for row in texts]:
        parts = {"table": table, "column": column, "key": sql.SQL(_KEY).format(column=column)}
        sample = {"keys": list(numbers), "min_share": MIN_SHARE, "sample": SAMPLE_ROWS}
        found = await (await connection.execute(sql.SQL(_IS_COUNTRIES).format(**parts), sample)).fetchone()
        if found and found[0]:
            await connection.execute(sql.SQL("ALTER TABLE {} ADD the_geom geometry").format(table))
            await connection.execute(sql.SQL(_LOCATE).format(**parts), {"numbers": Jsonb(numbers), "shapes": shapes})
            return


def _countries() -> tuple[dict[str, int], list[str]]:
    """Return the number of the shape for each code and each name in lower case, and the shapes, counted from 1."""
    numbers: dict[str, int] = {}
    shapes = []
    with _FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            shapes.append(row["wkt"])
            codes = [code for code in (row["iso_a2"], row["iso_a3"]) if code]
            numbers.update(dict.fromkeys([*codes, *row["names"].lower().split("|")], len(shapes)))
    return numbers, shapes
