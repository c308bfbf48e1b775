"""The examples about COPY: what is in the files and data frames is what was in the table."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from carto.sandbox import Sandbox
from tests.examples.scripts import EXAMPLES, account_of, failure_of, printed_by, rows_of, table_rows

STATIONS = EXAMPLES / "files" / "copy_from.csv"


def _stations(path: Path = STATIONS) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _tables(sandbox: Sandbox) -> list[str]:
    return [row["name"] for row in rows_of(sandbox, "SELECT tablename AS name FROM pg_tables "
                                                    "WHERE tablename LIKE 'copy_example%'")]


def test_copy_example_brings_the_file_in_and_out(sandbox: Sandbox, tmp_path: Path) -> None:
    printed = printed_by("copy_example.py", environment=account_of(sandbox, organization=True), cwd=tmp_path)
    exported = _stations(tmp_path / "copy_export.csv")
    assert [(row["name"], row["age"]) for row in exported] == [(row["name"], row["age"]) for row in _stations()]
    points = rows_of(sandbox, "VALUES " + ", ".join(
        f"(ST_AsEWKT('{there['the_geom']}'::geometry) = '{here['the_geom']}')"
        for here, there in zip(_stations(), exported, strict=True)))
    assert all(row["column1"] for row in points)
    assert [(row["step"], row["rows"]) for row in table_rows(printed)] == [
        ("COPY FROM", str(len(exported))), ("COPY TO", str(len(exported)))]
    assert _tables(sandbox) == []


def test_copy_example_takes_other_files_and_keeps_the_table(sandbox: Sandbox, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("the_geom,name,age\n,nobody,\n")
    arguments = ["--input", few, "--output", tmp_path / "out.csv", "--keep"]
    printed_by("copy_example.py", *arguments, environment=account_of(sandbox))
    try:
        assert rows_of(sandbox, "SELECT name, age, the_geom FROM copy_example") == [
            {"name": "nobody", "age": None, "the_geom": None}]
        message = failure_of("copy_example.py", *arguments, environment=account_of(sandbox))
        assert message == 'relation "copy_example" already exists'
        assert _tables(sandbox) == ["copy_example"], "a table of the user's is left alone"
    finally:
        rows_of(sandbox, "DROP TABLE copy_example")


@pytest.mark.parametrize(("content", "complaint"), [
    (None, "No such file"), ("the_geom,name,age\n,somebody,young\n", "invalid input syntax for type integer"),
])
def test_copy_example_leaves_nothing_when_it_fails(
    sandbox: Sandbox, tmp_path: Path, content: str | None, complaint: str
) -> None:
    bad = tmp_path / "bad.csv"
    if content is not None:
        bad.write_text(content)
    assert complaint in failure_of("copy_example.py", "--input", bad, environment=account_of(sandbox), cwd=tmp_path)
    assert _tables(sandbox) == []
    assert not (tmp_path / "copy_export.csv").exists()


def test_pandas_reads_the_stations(sandbox: Sandbox) -> None:
    printed = printed_by("copy_and_pandas_example.py", environment=account_of(sandbox))
    ages = [int(row["age"]) for row in _stations()]
    assert printed.startswith(f"copy_example: {len(ages)} rows in a data frame of ")
    columns = {row["column"]: row for row in table_rows(printed)}
    assert columns["age"] | {"type": ""} == {
        "column": "age", "type": "", "values": str(len(ages)), "different": str(len(set(ages))),
        "least": str(min(ages)), "greatest": str(max(ages))}
    assert columns["name"]["different"] == str(len({row["name"] for row in _stations()}))
    assert (columns["name"]["least"], columns["name"]["greatest"]) == ("", "")
    assert _tables(sandbox) == []


def test_pandas_reads_a_table_of_the_users(sandbox: Sandbox) -> None:
    rows_of(sandbox, 'CREATE TABLE "Copy this" AS SELECT n / 2.0 AS half FROM generate_series(1, 9) AS n')
    try:
        printed = printed_by("copy_and_pandas_example.py", "--table", "Copy this", environment=account_of(sandbox))
    finally:
        rows_of(sandbox, 'DROP TABLE "Copy this"')
    assert [(row["column"], row["type"], float(row["greatest"])) for row in table_rows(printed)] == [
        ("half", "float64", 4.5)]
    message = failure_of("copy_and_pandas_example.py", "--table", "Copy this", environment=account_of(sandbox))
    assert message == 'relation "Copy this" does not exist'


def test_the_shipped_stations_are_whole() -> None:
    text = STATIONS.read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["the_geom", "name", "age"]
    assert len({row["name"] for row in rows}) == len(rows) > 30
    assert all(re.fullmatch(r"SRID=4326;POINT\(-?[\d.]+ [\d.]+\)", row["the_geom"]) for row in rows)
