"""Load a NEXRAD Level II file, as weather radars write it, into a table of points.

Each measurement (gate) that is not missing becomes a row: its place on the ground (the_geom), the direction from the
radar (azimuth, in degrees from north), the distance over ground (km), and the value, such as a reflectivity in dBZ. The
rows are made while they are sent, so that no CSV is ever written.

    python examples/nexrad/nexrad_copy.py KLBB20160601_150025_V06
    python examples/nexrad/nexrad_copy.py FILE --moment VEL --sweep 1 --table wind

Files, also old ones, are public: see https://www.ncei.noaa.gov/products/radar/next-generation-weather-radar. They are
read by MetPy (pip install -r examples/requirements.txt).
"""

from __future__ import annotations

import logging
import math
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the folder of the modules that all examples share

from account import account_parser, log_in
from terminal import fail, progress_shown, require, run

from carto.auth import APIKeyAuthClient
from carto.sql import CopySQLClient, Identifier, SQLClient

CREATE_TABLE = """
    CREATE TABLE %(table)s (the_geom geometry(Point, 4326), azimuth real, distance_km real, value real);
    SELECT CDB_CartodbfyTable(current_schema, %(name)s)
"""


def main() -> None:
    """Read the file, make the table, and fill it."""
    parser = account_parser(__doc__)
    parser.add_argument("file", type=Path, help="the file, also if compressed with gzip or bzip2 (.gz, .bz2)")
    parser.add_argument("--table", default="nexrad_copy_example", help="table to make (default: %(default)s)")
    parser.add_argument("--sweep", type=int, default=0, metavar="N",
                        help="turn of the antenna, 0 being the first and lowest (default: 0)")
    parser.add_argument("--moment", default="REF",
                        help="what was measured: REF, VEL, SW, ZDR, PHI or RHO (default: REF, the reflectivity)")
    options = parser.parse_args()
    with log_in(parser, options) as auth_client:
        radials = read_radials(options.file, options.sweep, options.moment)
        count = load(auth_client, options.table, csv_lines(radials, options.moment.encode()))
    print(f"{count} measurements of {options.moment} from {len(radials)} directions are in the table {options.table}")


def read_radials(path: Path, sweep: int, moment: str) -> list[Any]:
    """Read one turn of the antenna: a list of its directions (radials), as MetPy gives them."""
    sweeps = read_sweeps(path)
    if not 0 <= sweep < len(sweeps):
        fail(f"{path} has no sweep {sweep}: there are {len(sweeps)}, the first is 0")
    radials = [radial for radial in sweeps[sweep] if moment.encode() in radial.moments and radial.vol_consts]
    if not radials:
        measured = sorted({name.decode() for radial in sweeps[sweep] for name in radial.moments})
        fail(f"sweep {sweep} of {path} has no {moment}; it has {', '.join(measured)}")
    return radials


def read_sweeps(path: Path) -> list[list[Any]]:
    """Read all turns of the antenna."""
    path.open("rb").close()  # MetPy takes seconds to load, which a mistyped name should not
    nexrad = require("metpy.io")
    logging.getLogger("metpy").setLevel(logging.CRITICAL)  # a file of another kind is told in one line, below
    try:
        sweeps: list[list[Any]] = nexrad.Level2File(str(path)).sweeps
    except (ValueError, ArithmeticError, LookupError, EOFError, struct.error) as error:
        fail(f"{path} is not a NEXRAD Level II file, or it is damaged: {error}")
    if not sweeps:
        fail(f"{path} is not a NEXRAD Level II file, or it is damaged: there are no measurements in it")
    return sweeps


def load(auth_client: APIKeyAuthClient, table: str, lines: Iterator[str]) -> int:
    """Make the table, fill it with the lines, and give their number; nothing is left when that fails."""
    sql, name = SQLClient(auth_client), Identifier(table)
    sql.send(CREATE_TABLE, params={"table": name, "name": str(name)})
    copy = f"COPY {name} (the_geom, azimuth, distance_km, value) FROM stdin WITH (FORMAT csv)"
    try:
        return int(CopySQLClient(auth_client).copyfrom(copy, lines, progress=progress_shown())["total_rows"])
    except BaseException:
        sql.send("DROP TABLE %(table)s", params={"table": name})
        raise


def csv_lines(radials: list[Any], moment: bytes) -> Iterator[str]:
    """Make the lines of one direction after the other."""
    ellipsoid = require("pyproj").Geod(ellps="WGS84")
    for radial in radials:
        yield "".join(
            f"SRID=4326;POINT({longitude:.6f} {latitude:.6f}),{radial.header.az_angle:.3f},{distance:.3f},{value:g}\n"
            for longitude, latitude, distance, value in gates(radial, moment, ellipsoid))


def gates(radial: Any, moment: bytes, ellipsoid: Any) -> Iterator[tuple[float, float, float, float]]:
    """Go through what was measured in one direction: longitude, latitude, distance over ground in km, value."""
    header, values = radial.moments[moment]
    radar, azimuth = radial.vol_consts, radial.header.az_angle
    over_ground = math.cos(math.radians(radial.header.el_angle))
    measured = [number for number, value in enumerate(values) if not math.isnan(value)]
    distances = [(header.first_gate + number * header.gate_width) * over_ground for number in measured]
    same = [[each] * len(measured) for each in (radar.lon, radar.lat, azimuth)]
    longitudes, latitudes, _ = ellipsoid.fwd(*same, [km * 1000 for km in distances])
    return zip(longitudes, latitudes, distances, (float(values[number]) for number in measured), strict=True)


if __name__ == "__main__":
    run(main)
