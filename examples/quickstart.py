"""Load a file of cities into CARTO, ask questions, compute in the background, and take the result home.

    export CARTO_API_URL=https://USER.carto.com/ CARTO_API_KEY=KEY
    python examples/quickstart.py

Works the same against the sandbox (`python -m carto.sandbox`). The two tables that it makes are its own, and are
dropped at the end.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from account import account_parser, log_in
from terminal import run

from carto.auth import APIKeyAuthClient
from carto.sql import BatchSQLClient, CopySQLClient, SQLClient

CITIES_FILE = Path(__file__).parent / "files" / "populated_places.csv"

DROP_TABLES = "DROP TABLE IF EXISTS quickstart_cities, quickstart_neighbours"

CREATE_CITIES = """
    CREATE TABLE quickstart_cities (the_geom geometry(Geometry, 4326), name text);
    SELECT CDB_CartodbfyTable(current_schema, 'quickstart_cities')
"""

LOAD_CITIES = "COPY quickstart_cities (the_geom, name) FROM stdin WITH (FORMAT csv, HEADER true)"

NEARBY = """
    WITH here AS (SELECT ST_SetSRID(ST_MakePoint(%(longitude)s, %(latitude)s), 4326)::geography AS point)
    SELECT name, ST_Distance(the_geom::geography, point) / 1000 AS km
    FROM quickstart_cities, here
    WHERE ST_DWithin(the_geom::geography, point, %(radius_km)s * 1000)
    ORDER BY km
"""

FIND_NEIGHBOURS = """
    CREATE TABLE quickstart_neighbours AS
    SELECT city.name AS city, nearest.name AS neighbour, round(nearest.metres / 1000) AS km
    FROM quickstart_cities AS city CROSS JOIN LATERAL (
        SELECT other.name, ST_Distance(city.the_geom::geography, other.the_geom::geography) AS metres
        FROM quickstart_cities AS other
        WHERE other.name <> city.name
        ORDER BY metres
        LIMIT 1
    ) AS nearest
"""

EXPORT_NEIGHBOURS = """COPY (SELECT * FROM quickstart_neighbours ORDER BY city)
    TO stdout WITH (FORMAT csv, HEADER true)"""


@dataclass(frozen=True)
class Step:
    """What one step of the tour moved, and how long it took."""

    name: str
    rows: int
    size: int | None
    seconds: float


def main() -> None:
    """Take the tour on the account that the options or the environment name."""
    parser = account_parser(__doc__)
    parser.add_argument("--output", type=Path, help="directory for the result (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="keep the two tables")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client, tempfile.TemporaryDirectory() as temporary:
        result = (options.output or Path(temporary)) / "quickstart_neighbours.csv"
        result.parent.mkdir(parents=True, exist_ok=True)
        try:
            steps = tour(auth_client, result)
        finally:
            if not options.keep:
                SQLClient(auth_client).send(DROP_TABLES)
    print_table(steps)
    if options.output:
        print(f"\nThe result is in {result}")


def tour(auth_client: APIKeyAuthClient, result: Path) -> list[Step]:
    """Go through the steps one after the other; the last one writes the file `result`."""
    sql, batch, copy = SQLClient(auth_client), BatchSQLClient(auth_client), CopySQLClient(auth_client)

    sql.send(DROP_TABLES)
    sql.send(CREATE_CITIES)
    loaded, loading = timed(lambda: copy.copyfrom_file_path(LOAD_CITIES, str(CITIES_FILE)))

    vienna = {"longitude": 16.37, "latitude": 48.21, "radius_km": 900}
    nearby, asking = timed(lambda: sql.send(NEARBY, params=vienna)["rows"])
    print_cities(nearby)

    streamed, streaming = timed(lambda: sum(1 for _ in sql.iterate("SELECT * FROM quickstart_cities")))

    _, computing = timed(lambda: batch.create_and_wait_for_completion(FIND_NEIGHBOURS))
    computed = sql.send("SELECT count(*) AS n FROM quickstart_neighbours")["rows"][0]["n"]

    _, exporting = timed(lambda: copy.copyto_file_path(EXPORT_NEIGHBOURS, str(result)))
    return [
        Step("COPY FROM a file", loaded["total_rows"], CITIES_FILE.stat().st_size, loading),
        Step("query with parameters", len(nearby), None, asking),
        Step("all rows, one at a time", streamed, None, streaming),
        Step("Batch job", computed, None, computing),
        Step("COPY TO a file", count_rows(result), result.stat().st_size, exporting),
    ]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Do the work; give its result and the seconds it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def count_rows(path: Path) -> int:
    """Count the rows of a CSV file, its header left out."""
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def print_cities(cities: list[dict[str, Any]]) -> None:
    """Print the cities near Vienna with their distances."""
    print("Within 900 km of Vienna:")
    print("  " + ", ".join(f"{city['name']} {city['km']:.0f} km" for city in cities), end="\n\n")


def print_table(steps: list[Step]) -> None:
    """Print the steps as a table."""
    print(f"{'step':<26}{'rows':>8}{'bytes':>10}{'seconds':>10}")
    for step in steps:
        size = "-" if step.size is None else f"{step.size:,}"
        print(f"{step.name:<26}{step.rows:>8,}{size:>10}{step.seconds:>10.3f}")


if __name__ == "__main__":
    run(main)
