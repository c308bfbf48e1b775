"""The advice of check_query.py: what it says is so, and what it proposes helps."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from carto.sandbox import Sandbox
from tests.examples.scripts import account_of, failure_of, printed_by, rows_of, table_rows

ROWS = 30_000
NEARBY = "SELECT * FROM checked WHERE ST_DWithin(the_geom, ST_SetSRID(ST_MakePoint(10, 50), 4326), 0.5)"
BY_NAME = "SELECT count(*) FROM checked WHERE name = 'abc; def'"


@pytest.fixture(scope="module")
def checked(sandbox: Sandbox) -> Iterator[None]:
    """A table without any index."""
    rows_of(sandbox, f"""CREATE TABLE checked AS
        SELECT n AS id, md5(n::text) AS name, ST_SetSRID(ST_MakePoint(n % 360 - 180, n % 170 - 85), 4326) AS the_geom
        FROM generate_series(1, {ROWS}) AS n; ANALYZE checked""")
    yield
    rows_of(sandbox, "DROP TABLE checked")


def _check(sandbox: Sandbox, query: str) -> tuple[list[dict[str, str]], list[str]]:
    """Give the steps of the plan, and the advice."""
    printed = printed_by("check_query.py", query, environment=account_of(sandbox))
    return table_rows(printed), re.findall(r"^  - (.*)$", printed, re.MULTILINE)


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize("query", [NEARBY, BY_NAME])
def test_the_index_that_is_proposed_ends_the_reading_of_all_rows(sandbox: Sandbox, query: str) -> None:
    steps, advice = _check(sandbox, query)
    assert "Seq Scan" in [step["step"] for step in steps]
    (line,) = advice
    (found,) = rows_of(sandbox, query.replace("SELECT *", "SELECT count(*)"))
    assert line.startswith(f"{ROWS:,} rows of checked are read one after the other to keep {found['count']}.")
    (statement,) = re.findall(r"CREATE INDEX ON checked .*\)", line)
    assert ("gist" in statement) == (query == NEARBY)
    rows_of(sandbox, f"{statement}; ANALYZE checked")
    steps, advice = _check(sandbox, query)
    assert "Seq Scan" not in [step["step"] for step in steps]
    assert advice == []


@pytest.mark.usefixtures("checked")
def test_an_index_that_cannot_be_used_is_told(sandbox: Sandbox) -> None:
    rows_of(sandbox, "CREATE INDEX ON checked (id)")
    _, (line,) = _check(sandbox, "SELECT * FROM checked WHERE id::text = '17'")
    assert "The index on id cannot be used as the condition is written" in line


@pytest.mark.usefixtures("checked")
def test_distances_joins_and_sorting(sandbox: Sandbox) -> None:
    _, advice = _check(sandbox, "SELECT a.id FROM checked a JOIN checked b ON ST_Distance(a.the_geom, b.the_geom) < .1 "
                                "WHERE b.id BETWEEN 5 AND 7")
    assert any(line.startswith(f"A join compares {3 * ROWS:,} pairs of rows") for line in advice)
    assert any("ST_DWithin" in line for line in advice)
    _, advice = _check(sandbox, "SELECT *, repeat(name, 9) FROM checked ORDER BY name || id")
    assert [line for line in advice if line.startswith("Sorting took ")]
    assert [line for line in advice if line.startswith(f"All {ROWS:,} rows of checked are read")]


@pytest.mark.usefixtures("checked")
def test_a_wrong_estimate_is_told(sandbox: Sandbox) -> None:
    _, advice = _check(sandbox, "SELECT id FROM checked WHERE length(name) = 32")
    (line,) = [line for line in advice if "expected" in line]
    assert f"found {ROWS:,}: ANALYZE checked" in line


@pytest.mark.usefixtures("checked")
def test_a_query_that_changes_data_is_only_planned(sandbox: Sandbox) -> None:
    for query in ("DELETE FROM checked WHERE id = 1;",
                  "WITH gone AS (DELETE FROM checked WHERE id = 1 RETURNING id) SELECT * FROM gone"):
        printed = printed_by("check_query.py", query, environment=account_of(sandbox))
        assert "it was planned, but not executed" in printed
    assert rows_of(sandbox, "SELECT id FROM checked WHERE id = 1") == [{"id": 1}]


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize(("query", "complaint"), [
    ("SELECT 1; DROP TABLE checked", "give one query, and no more than one"),
    (r"SELECT E'\'; --'; DROP TABLE checked; --'", "give one query, and no more than one"),
    (" ; ", "give one query, and no more than one"),
    ("SELECT * FROM nowhere", 'relation "nowhere" does not exist'),
])
def test_what_cannot_be_checked(sandbox: Sandbox, query: str, complaint: str) -> None:
    assert failure_of("check_query.py", query, environment=account_of(sandbox)) == complaint
    assert rows_of(sandbox, "SELECT to_regclass('checked') IS NOT NULL AS there") == [{"there": True}]


def test_nothing_is_said_of_a_fast_query(sandbox: Sandbox) -> None:
    printed = printed_by("check_query.py", "SELECT ';' /* ; */ AS \";\" -- ;", environment=account_of(sandbox))
    assert [row["step"] for row in table_rows(printed)] == ["Result"]
    assert "No advice" in printed
