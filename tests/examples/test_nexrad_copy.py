"""The example about radar data: every measurement in the file stands in the table, at its place on the ground."""

from __future__ import annotations

import gzip
import math
import random
from pathlib import Path

import pytest

from carto.sandbox import Sandbox
from tests.examples.level2 import BELOW_THRESHOLD, RANGE_FOLDED, Moment, Radial, Volume, write_level2
from tests.examples.scripts import account_of, failure_of, printed_by, rows_of

SCRIPT = "nexrad/nexrad_copy.py"
LUBBOCK = (-101.814, 33.654)
GATES, DIRECTIONS = 60, 150

#: Azimuth, distance over ground in metres, value.
Measurement = tuple[float, float, float]


def _sweep(elevation: float, chance: random.Random) -> list[Radial]:
    codes = [BELOW_THRESHOLD, RANGE_FOLDED, *range(2, 256)]
    return [
        Radial(index * 360 / DIRECTIONS, elevation, [
            Moment("REF", chance.choices(codes, k=GATES)),
            Moment("VEL", chance.choices(codes, k=GATES + 1), scale=2.0, offset=129.0)])
        for index in range(DIRECTIONS)]


@pytest.fixture(scope="module")
def volume() -> Volume:
    chance = random.Random(31)
    return Volume("KLBB", *LUBBOCK, sweeps=[_sweep(0.5, chance), _sweep(8.0, chance)])


@pytest.fixture(scope="module")
def radar_file(volume: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nexrad") / "KLBB20160601_150025_V06"
    write_level2(path, volume)
    return path


def _measurements(volume: Volume, sweep: int, name: str) -> list[Measurement]:
    """List what the table should hold."""
    found = []
    for radial in volume.sweeps[sweep]:
        (moment,) = [each for each in radial.moments if each.name == name]
        for number, code in enumerate(moment.codes):
            if code > RANGE_FOLDED:
                slant = volume.first_gate + number * volume.gate_width
                over_ground = slant * math.cos(math.radians(radial.elevation))
                found.append((radial.azimuth, over_ground, (code - moment.offset) / moment.scale))
    return found


def _rows(sandbox: Sandbox, table: str) -> list[dict[str, float]]:
    """Read the table, with the distance (m) of each point from where its azimuth and distance lead on the spheroid."""
    radar = f"ST_SetSRID(ST_MakePoint({LUBBOCK[0]}, {LUBBOCK[1]}), 4326)::geography"
    return rows_of(sandbox, f"""
        SELECT azimuth, distance_km * 1000 AS metres, value, ST_Distance(
            the_geom::geography, ST_Project({radar}, distance_km * 1000, radians(azimuth))) AS error
        FROM {table} ORDER BY azimuth, distance_km""")


@pytest.mark.parametrize(("options", "table", "sweep", "moment"), [
    ([], "nexrad_copy_example", 0, "REF"),
    (["--sweep", "1", "--moment", "VEL", "--table", "Wind"], '"Wind"', 1, "VEL"),
])
def test_every_measurement_stands_at_its_place(
    sandbox: Sandbox, volume: Volume, radar_file: Path, options: list[str], table: str, sweep: int, moment: str
) -> None:
    printed = printed_by(SCRIPT, radar_file, *options, environment=account_of(sandbox))
    rows = _rows(sandbox, table)
    rows_of(sandbox, f"DROP TABLE {table}")
    expected = sorted(_measurements(volume, sweep, moment))
    assert len(expected) > GATES * DIRECTIONS * 0.9
    assert printed == (f"{len(expected)} measurements of {moment} from {DIRECTIONS} directions are in the table "
                       f"{table.strip(chr(34))}\n")
    assert [(row["azimuth"], row["metres"], row["value"]) for row in rows] == [
        (pytest.approx(azimuth, abs=0.001), pytest.approx(metres, abs=1), pytest.approx(value))
        for azimuth, metres, value in expected]
    assert max(row["error"] for row in rows) < 2


def test_a_table_that_is_there_already_is_left_alone(sandbox: Sandbox, radar_file: Path, tmp_path: Path) -> None:
    rows_of(sandbox, "CREATE TABLE nexrad_copy_example AS SELECT 1 AS n")
    try:
        packed = tmp_path / "KLBB20160601_150025_V06.gz"
        packed.write_bytes(gzip.compress(radar_file.read_bytes()))
        message = failure_of(SCRIPT, packed, environment=account_of(sandbox, organization=True))
        assert message == 'relation "nexrad_copy_example" already exists'
        assert rows_of(sandbox, "SELECT * FROM nexrad_copy_example") == [{"n": 1}]
    finally:
        rows_of(sandbox, "DROP TABLE nexrad_copy_example")


@pytest.mark.parametrize(("options", "complaint"), [
    (["--sweep", "2"], "has no sweep 2: there are 2, the first is 0"),
    (["--moment", "RHO"], "has no RHO; it has REF, VEL"),
])
def test_what_is_not_in_the_file(sandbox: Sandbox, radar_file: Path, options: list[str], complaint: str) -> None:
    assert failure_of(SCRIPT, radar_file, *options, environment=account_of(sandbox)).endswith(complaint)


@pytest.mark.parametrize("content", [None, b"something else, of some length" * 9])
def test_what_is_no_radar_file(sandbox: Sandbox, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "no_radar"
    if content is not None:
        path.write_bytes(content)
    assert str(path) in failure_of(SCRIPT, path, environment=account_of(sandbox))
