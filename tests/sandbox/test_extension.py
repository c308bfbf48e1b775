"""The functions of the cartodb extension, called as users do: through the SQL API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox

Row = dict[str, Any]
Sql = Callable[..., list[Row]]

THREE_COLUMNS = ["cartodb_id", "the_geom", "the_geom_webmercator"]


def call(sandbox: Sandbox, query: str, api_key: str) -> Any:
    response = requests.post(sandbox.base_url + "api/v2/sql", data={"q": query, "api_key": api_key}, timeout=30)
    return response.json()


@pytest.fixture
def sql(sandbox: Sandbox) -> Sql:
    def run(query: str, api_key: str | None = None) -> list[Row]:
        answer = call(sandbox, query, api_key or sandbox.api_key)
        assert "error" not in answer, answer
        rows: list[Row] = answer["rows"]
        return rows

    return run


@pytest.fixture
def refused(sandbox: Sandbox) -> Callable[..., str]:
    def run(query: str, api_key: str | None = None) -> str:
        return str(call(sandbox, query, api_key or sandbox.api_key)["error"][0])

    return run


@pytest.fixture
def table(sql: Sql) -> Iterator[str]:
    """Give the name of a table that the test may create; it is dropped."""
    name = f"t_{uuid.uuid4().hex[:8]}"
    yield name
    sql(f"drop table if exists {name} cascade")


def columns_of(sql: Sql, table: str) -> list[str]:
    return [row["c"] for row in sql(f"select CDB_ColumnNames('{table}') as c")]


def test_cartodbfying_puts_the_three_columns_first(sql: Sql, table: str) -> None:
    sql(f"create table {table} (name text, the_geom geometry(Point, 4326), value int)")
    sql(f"insert into {table} values ('a', CDB_LatLng(40, -3), 5)")
    assert sql(f"select CDB_CartodbfyTable('public', '{table}') as t") == [{"t": table}]
    assert columns_of(sql, table) == [*THREE_COLUMNS, "name", "value"]
    (row,) = sql(f"select cartodb_id, st_astext(the_geom) as g, st_srid(the_geom_webmercator) as s, name from {table}")
    assert row == {"cartodb_id": 1, "g": "POINT(-3 40)", "s": 3857, "name": "a"}


def test_the_short_form_and_the_form_with_schema_do_the_same(sql: Sql, table: str) -> None:
    sql(f"create table {table} (name text)")
    assert sql(f"select cartodb.CDB_CartodbfyTable('{table}') as t") == [{"t": table}]
    assert columns_of(sql, table) == [*THREE_COLUMNS, "name"]


def test_cartodbfying_again_changes_nothing(sql: Sql, table: str) -> None:
    sql(f"create table {table} (name text)")
    sql(f"select CDB_CartodbfyTable('{table}')")
    described = (
        f"select (select oid from pg_class where relname = '{table}') as oid,"
        f" (select count(*) from pg_indexes where tablename = '{table}') as indexes,"
        f" (select count(*) from pg_trigger where tgrelid = '{table}'::regclass) as triggers"
    )
    before = sql(described)
    sql(f"select CDB_CartodbfyTable('{table}')")
    assert sql(described) == before
    assert before[0]["indexes"] == 3


def test_names_of_what_it_makes(sql: Sql, table: str) -> None:
    sql(f"create table {table} (name text); select CDB_CartodbfyTable('{table}')")
    indexes = sql(f"select indexname as n from pg_indexes where tablename = '{table}' order by 1")
    assert [row["n"] for row in indexes] == [
        f"{table}_pkey",
        f"{table}_the_geom_idx",
        f"{table}_the_geom_webmercator_idx",
    ]
    assert sql(f"select pg_get_serial_sequence('{table}', 'cartodb_id') as s") == [
        {"s": f"public.{table}_cartodb_id_seq"}
    ]
    triggers = sql(f"select tgname as n from pg_trigger where tgrelid = '{table}'::regclass order by 1")
    assert [row["n"] for row in triggers] == [
        "test_quota",
        "track_updates",
        "update_the_geom_webmercator_trigger",
    ]


def test_a_good_cartodb_id_is_kept_and_counted_on(sql: Sql, table: str) -> None:
    sql(f"create table {table} (cartodb_id text, name text)")
    sql(f"insert into {table} values ('7', 'a'), ('40', 'b')")
    sql(f"select CDB_CartodbfyTable('{table}'); insert into {table} (name) values ('c')")
    assert sql(f"select cartodb_id, name from {table} order by 1") == [
        {"cartodb_id": 7, "name": "a"},
        {"cartodb_id": 40, "name": "b"},
        {"cartodb_id": 41, "name": "c"},
    ]


@pytest.mark.parametrize("values", ["(1), (1)", "(1), (null)"])
def test_a_useless_cartodb_id_makes_way(sql: Sql, table: str, values: str) -> None:
    sql(f"create table {table} (cartodb_id int); insert into {table} values {values}")
    sql(f"select CDB_CartodbfyTable('{table}')")
    assert columns_of(sql, table) == [*THREE_COLUMNS, "cartodb_id_0"]
    assert [row["cartodb_id"] for row in sql(f"select cartodb_id from {table} order by 1")] == [1, 2]


def test_a_serial_cartodb_id_goes_on_counting(sql: Sql, table: str) -> None:
    sql(f"create table {table} (cartodb_id serial primary key, name text)")
    sql(f"insert into {table} (name) values ('a'), ('b'); select CDB_CartodbfyTable('{table}')")
    sql(f"insert into {table} (name) values ('c')")
    assert sql(f"select max(cartodb_id) as m from {table}") == [{"m": 3}]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("the_geom geometry(PointZ, 25830)", "SRID=25830;POINTZ(440000 4474000 3)", "POINT(-3.707 40.414)"),
        ("the_geom geometry", "POINT(1 2)", "POINT(1 2)"),
        ("the_geom text", "SRID=4326;POINT(1 2)", "POINT(1 2)"),
        ("shape geometry(Point, 3857)", "SRID=3857;POINT(111319.49 222684.21)", "POINT(1 2)"),
        ("the_geom_webmercator geometry", "SRID=3857;POINT(111319.49 222684.21)", "POINT(1 2)"),
    ],
)
def test_geometries_of_any_origin_become_the_geom(sql: Sql, table: str, column: str, value: str, expected: str) -> None:
    sql(f"create table {table} ({column}, name text); insert into {table} values ('{value}', 'a')")
    sql(f"select CDB_CartodbfyTable('{table}')")
    assert columns_of(sql, table) == [*THREE_COLUMNS, "name"]
    (row,) = sql(f"select st_astext(the_geom, 3) as g, st_srid(the_geom) as s from {table}")
    assert row == {"g": expected, "s": 4326}


def test_defaults_constraints_and_privileges_stay(sql: Sql, table: str) -> None:
    sql(
        f"create table {table} (id serial, n int default 5 not null check (n > 0),"
        f" twice int generated always as (n * 2) stored); grant select on {table} to publicuser"
    )
    sql(f"insert into {table} default values; select CDB_CartodbfyTable('{table}')")
    sql(f"insert into {table} default values")
    assert sql(f"select id, n, twice from {table} order by 1", "default_public") == [
        {"id": 1, "n": 5, "twice": 10},
        {"id": 2, "n": 5, "twice": 10},
    ]


def test_a_check_still_refuses(sql: Sql, refused: Callable[..., str], table: str) -> None:
    sql(f"create table {table} (n int check (n > 0)); select CDB_CartodbfyTable('{table}')")
    assert "violates check constraint" in refused(f"insert into {table} (n) values (0)")


def test_odd_names_survive(sql: Sql) -> None:
    sql('create table "Odd ""T" ("the name" text, "Shape" geometry)')
    try:
        sql("""select CDB_CartodbfyTable('"Odd ""T"')""")
        assert columns_of(sql, '"Odd ""T"') == [*THREE_COLUMNS, "the name"]
    finally:
        sql('drop table "Odd ""T"')


def test_a_view_is_no_table(sql: Sql, refused: Callable[..., str], table: str) -> None:
    sql(f"create table {table} (a int); create view {table}_v as select 1 from {table}")
    assert refused(f"select CDB_CartodbfyTable('{table}_v')") == f'Relation "{table}_v" is not a table'


def test_the_projection_follows_the_geom(sql: Sql, table: str) -> None:
    sql(f"create table {table} (name text); select CDB_CartodbfyTable('{table}')")
    sql(f"insert into {table} (the_geom) values (CDB_LatLng(2, 1))")
    position = f"select st_astext(the_geom_webmercator, 2) as g from {table}"
    assert sql(position) == [{"g": "POINT(111319.49 222684.21)"}]
    sql(f"update {table} set the_geom = CDB_LatLng(0, 1)")
    assert sql(position) == [{"g": "POINT(111319.49 0)"}]
    sql(f"update {table} set the_geom = null")
    assert sql(position) == [{"g": None}]


def test_writes_are_noted(sql: Sql, table: str) -> None:
    noted = f"select updated_at from CDB_TableMetadata where tabname = '{table}'::regclass"
    sql(f"create table {table} (name text); select CDB_CartodbfyTable('{table}')")
    assert sql(noted) == []
    sql(f"select CDB_TableMetadataTouch('{table}'::regclass)")
    (first,) = sql(f"select updated_at::text from CDB_TableMetadata where tabname = '{table}'::regclass")
    for write in (f"insert into {table} (name) values ('a')", f"delete from {table}", f"truncate {table}"):
        sql(write)
        (later,) = sql(f"select updated_at::text from CDB_TableMetadata where tabname = '{table}'::regclass")
        assert later["updated_at"] > first["updated_at"]
        first = later
    assert sql(f"select tabname from CDB_TableMetadata_Text where tabname = 'public.{table}'") != []


def test_user_tables_by_privilege(sql: Sql, table: str) -> None:
    sql(f"create table {table} (a int)")

    def listed(perm: str, key: str | None = None) -> bool:
        return {"t": table} in sql(f"select CDB_UserTables('{perm}') as t", key)

    assert (listed("all"), listed("public"), listed("private")) == (True, False, True)
    assert not listed("all", "default_public")
    sql(f"grant select on {table} to publicuser")
    assert (listed("all"), listed("public"), listed("private")) == (True, True, False)
    assert listed("all", "default_public")
    assert {"t": "spatial_ref_sys"} not in sql("select CDB_UserTables() as t")


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("select * from {0}_a join {0}_b using (i)", ["a", "b"]),
        ("select * from {0}_v", ["a"]),
        ("with x as (select * from {0}_b) select 1 from x where exists (select from {0}_a)", ["a", "b"]),
        ("select ';'; -- from {0}_b;\nselect $q$;$q$ from {0}_a; /* ; */", ["a"]),
        ('select 5 - 3 / 2 as "a;b"; select * from {0}_b;', ["b"]),
        ("insert into {0}_a select * from {0}_b", ["a", "b"]),
        ("create table {0}_c as select 1; drop table if exists {0}_b", []),
        ("select 1", []),
    ],
)
def test_tables_of_a_query(sql: Sql, table: str, query: str, tables: list[str]) -> None:
    sql(f"create table {table}_a (i int); create table {table}_b (i int)")
    sql(f"create view {table}_v as select * from {table}_a")
    try:
        text = query.format(table)
        asked = f"$asked${text}$asked$"
        (row,) = sql(f"select CDB_QueryTablesText({asked}) as t, CDB_QueryTables({asked})::text[] as n")
        assert row["t"] == row["n"] == [f"public.{table}_{name}" for name in tables]
    finally:
        sql(f"drop table {table}_a, {table}_b cascade")


def test_column_types(sql: Sql, table: str) -> None:
    sql(f"create table {table} (a double precision, g geometry(Point, 4326))")
    assert sql(f"select CDB_ColumnType('{table}', 'a') as a, CDB_ColumnType('{table}', 'g') as g") == [
        {"a": "double precision", "g": "geometry"}
    ]


def test_tiles(sql: Sql) -> None:
    (row,) = sql(
        "select CDB_XYZ_Resolution(0) as z0, CDB_XYZ_Resolution(1) as z1,"
        " st_astext(st_snaptogrid(CDB_XYZ_Extent(1, 0, 1), 1)) as tile, st_srid(CDB_XYZ_Extent(0, 0, 0)) as srid"
    )
    assert row["z0"] == pytest.approx(156543.03392804097)
    assert row["z1"] == pytest.approx(row["z0"] / 2)
    assert row["tile"] == "POLYGON((0 0,0 20037508,20037508 20037508,20037508 0,0 0))"
    assert row["srid"] == 3857


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ("SRID=4326;POINT(1 0)", "POINT(111319 0)"),
        ("SRID=4326;POINT(0 90)", "POINT EMPTY"),
        ("SRID=4326;LINESTRING(0 90, 0 0, 0 -90)", "LINESTRING(0 30240972,0 0,0 -30240972)"),
        ("SRID=4326;MULTIPOINT(0 90, 1 0)", "MULTIPOINT((111319 0))"),
        ("SRID=3857;POINT(5 6)", "POINT(5 6)"),
    ],
)
def test_the_poles_are_cut_off(sql: Sql, geometry: str, expected: str) -> None:
    (row,) = sql(f"select st_astext(CDB_TransformToWebmercator('{geometry}'::geometry), 0) as g")
    assert row["g"] == expected


def test_others_may_neither_cartodbfy_nor_set_the_quota(sql: Sql, refused: Callable[..., str], table: str) -> None:
    sql(f"create table {table} (a int); grant select on {table} to publicuser")
    assert "permission denied" in refused(f"select CDB_CartodbfyTable('{table}')", "default_public")
    assert "permission denied" in refused("select CDB_SetUserQuotaInBytes(5)", "default_public")
    assert "permission denied" in refused("select CDB_SetUserQuotaInBytes(5)")


def test_without_a_quota_nothing_is_checked(sql: Sql) -> None:
    assert sql("select _CDB_UserQuotaInBytes() as q, CDB_UserDataSize('public') >= 0 as measured") == [
        {"q": 0, "measured": True}
    ]


def test_the_quota_stops_a_write_whole() -> None:
    quota = 600_000
    account = {"name": "small", "quota_bytes": quota, "keys": [{"type": "master", "token": "k"}]}
    with Sandbox(accounts=[account]) as small:
        call(small, "create table t (name text); select CDB_CartodbfyTable('t')", "k")
        (state,) = call(small, "select _CDB_UserQuotaInBytes() as q, CDB_UserDataSize() as used", "k")["rows"]
        assert state["q"] == quota > state["used"] > 0
        fill = "insert into t (name) select repeat('x', 1000) from generate_series(1, {})"
        assert call(small, fill.format(100), "k")["total_rows"] == 100
        (message,) = call(small, fill.format(3000), "k")["error"]
        assert message.startswith("Quota exceeded by ")
        assert message.endswith("KB")
        assert call(small, "select count(*) as n from t", "k")["rows"] == [{"n": 100}]
