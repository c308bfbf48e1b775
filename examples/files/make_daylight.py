"""Write the seven daylight_N.csv: how long the sun is up over the cities of populated_places.csv, day by day.

    python examples/files/make_daylight.py

The days are those of the week of the June solstice of 2026, one file each. The length of a day follows from its
number in the year and the latitude: the declination by Cooper's formula, and from it the hour angle of sunset, with
the sun as a point and without the refraction of the air.
"""

from __future__ import annotations

import csv
import math
import re
import sys
from datetime import date, timedelta
from pathlib import Path

HERE = Path(__file__).parent
MONDAY = date(2026, 6, 15)
DAYS = 7
TILT_DEGREES = 23.44


def main(folder: Path = HERE) -> None:
    """Write the files into a folder."""
    places = cities()
    for number in range(DAYS):
        day = MONDAY + timedelta(days=number)
        with (folder / f"daylight_{number + 1}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("city", "longitude", "latitude", "day", "hours"))
            for name, longitude, latitude in places:
                row = (name, f"{longitude:.4f}", f"{latitude:.4f}", day, f"{daylight_hours(latitude, day):.2f}")
                writer.writerow(row)


def cities() -> list[tuple[str, float, float]]:
    """Read the cities: name, longitude and latitude in degrees."""
    with (HERE / "populated_places.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    points = [re.findall(r"-?[0-9.]+", row["the_geom"].partition(";")[2]) for row in rows]
    return [(row["name"], float(x), float(y)) for row, (x, y) in zip(rows, points, strict=True)]


def daylight_hours(latitude: float, day: date) -> float:
    """Compute how many hours the sun is up at a latitude in degrees: 0 to 24."""
    declination = TILT_DEGREES * math.sin(math.tau * (284 + day.timetuple().tm_yday) / 365)
    cosine = -math.tan(math.radians(latitude)) * math.tan(math.radians(declination))
    return 24 / math.pi * math.acos(max(-1.0, min(1.0, cosine)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
