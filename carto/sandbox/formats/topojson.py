"""TopoJSON: one object a row; coordinates on a grid, lines that polygons share written once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from carto.sandbox import javascript
from carto.sandbox.formats.base import Run
from carto.sandbox.formats.geojson import GEOMETRY, features_sql, geometry_index, properties_encoder
from carto.sandbox.formats.topology import Grid, Path, Position, Topology, is_clockwise


async def produce(run: Run) -> AsyncIterator[bytes]:
    """Write the topology; the format needs all rows at once."""
    execution = run.execute(f"{features_sql(run)} where {GEOMETRY} is not null")
    features: list[tuple[dict[str, Any], str]] = []
    async for batch in execution.batches():
        geometry = geometry_index(execution)
        encode = properties_encoder(run, execution)
        features += [(json.loads(row.get_value(0, geometry) or b"null"), encode(row)) for row in batch]
    before, after = run.parameters.jsonp_frame
    yield (before + _document(features) + after).encode()


def _document(features: list[tuple[dict[str, Any], str]]) -> str:
    grid = Grid([position for geometry, _ in features for position in _positions(geometry)])
    topology = Topology()
    shapes = [_Shape(geometry, grid, topology) for geometry, _ in features]
    topology.cut()
    objects = [
        f'"{number}":{shape.text()[:-1]},"properties":{properties}}}'
        for number, (shape, (_, properties)) in enumerate(zip(shapes, features, strict=True))
    ]
    transform = javascript.stringify({"scale": grid.scale, "translate": grid.translate})
    arcs = javascript.stringify(topology.encoded_arcs())
    return f'{{"type":"Topology","transform":{transform},"objects":{{{",".join(objects)}}},"arcs":{arcs}}}'


def _positions(geometry: dict[str, Any]) -> list[Position]:
    """List all positions of a GeoJSON geometry."""
    if "geometries" in geometry:
        return [position for part in geometry["geometries"] for position in _positions(part)]
    found: list[Position] = []
    waiting = [geometry["coordinates"]]
    while waiting:
        coordinates = waiting.pop()
        if coordinates and not isinstance(coordinates[0], list):
            found.append((coordinates[0], coordinates[1]))
        else:
            waiting.extend(coordinates)
    return found


class _Shape:
    """A geometry whose lines stand in the topology."""

    def __init__(self, geometry: dict[str, Any], grid: Grid, topology: Topology) -> None:
        self._type = geometry["type"]
        self._grid = grid
        self._topology = topology
        self._parts = [_Shape(part, grid, topology) for part in geometry.get("geometries", ())]
        self._content = self._take(geometry.get("coordinates"))

    def text(self) -> str:
        """Write the object."""
        if self._type == "GeometryCollection":
            return f'{{"type":"GeometryCollection","geometries":[{",".join(p.text() for p in self._parts)}]}}'
        member = "coordinates" if self._type.endswith("Point") else "arcs"
        return javascript.stringify({"type": self._type, member: self._numbered(self._content)})

    def _take(self, coordinates: Any) -> Any:
        """Put points on the grid, lines and rings into the topology."""
        if self._type == "Point":
            return list(self._grid.point(coordinates)) if coordinates else []
        if self._type == "MultiPoint":
            return [list(self._grid.point(point)) for point in coordinates]
        if self._type == "LineString":
            return self._path(coordinates, closed=False)
        if self._type == "MultiLineString":
            return [self._path(line, closed=False) for line in coordinates]
        if self._type == "Polygon":
            return self._rings(coordinates)
        return [self._rings(polygon) for polygon in coordinates or ()]

    def _rings(self, polygon: list[Any]) -> list[Path]:
        """Take a polygon: its outer ring goes clockwise, its holes the other way."""
        return [
            self._path(ring if is_clockwise(ring) == (number == 0) else ring[::-1], closed=True)
            for number, ring in enumerate(polygon)
        ]

    def _path(self, positions: list[Any], closed: bool) -> Path:
        return self._topology.add([self._grid.point(position) for position in positions], closed)

    def _numbered(self, content: Any) -> Any:
        """Replace each path by the numbers of its arcs."""
        if isinstance(content, Path):
            return self._topology.arcs_of(content)
        return [self._numbered(item) for item in content] if isinstance(content, list) else content
