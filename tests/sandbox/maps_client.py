"""What the tests of the Maps API share: a table of points, maps over it, and calls without any SDK."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyogrio
import pyogrio.raw
import requests
from PIL import Image

from carto.sandbox import Sandbox

TIMEOUT_S = 30
RED_DOTS = "#layer { marker-width: 10; marker-fill: #ff0000; marker-line-width: 0; marker-allow-overlap: true; }"
CSS = {"cartocss": RED_DOTS, "cartocss_version": "2.3.0"}
CREATE = """
CREATE TABLE {table} (name text, kind text, n integer, v double precision, seen timestamptz, ok boolean,
                      the_geom geometry(Point, 4326));
INSERT INTO {table} (name, kind, n, v, seen, ok, the_geom)
SELECT 'p' || i, (ARRAY['red', 'green', 'blue'])[1 + i % 3], i, i * 1.5, '2020-01-01Z'::timestamptz + i * interval '1d',
       i % 2 = 0, ST_SetSRID(ST_MakePoint(-10 + i * 2, 30 + i), 4326)
  FROM generate_series(1, 12) AS i;
INSERT INTO {table} (name) VALUES ('nowhere');
SELECT CDB_CartodbfyTable('public', '{table}');
SELECT CDB_TableMetadataTouch('{table}'::regclass);
ANALYZE {table};
"""

Json = dict[str, Any]


class MapsClient:
    """Calls the Maps API of one account."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.base_url = base_url
        self.api_key = api_key

    @property
    def public(self) -> MapsClient:
        """The same account, asked by somebody without a key."""
        return MapsClient(self.base_url, "")

    def call(self, method: str, path: str = "", params: Json | None = None, **arguments: Any) -> requests.Response:
        sent = {**({"api_key": self.api_key} if self.api_key else {}), **(params or {})}
        url = f"{self.base_url}api/v1/map{path}"
        return requests.request(method, url, params=sent, timeout=TIMEOUT_S, **arguments)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.call("GET", path, params)

    def instantiate(self, config: Json, **params: Any) -> requests.Response:
        return self.call("POST", "", params, json=config)

    def token(self, config: Json, **params: Any) -> str:
        response = self.instantiate(config, **params)
        assert response.status_code == 200, response.text
        token: str = response.json()["layergroupid"]
        return token

    def sql(self, q: str) -> list[Json]:
        data = {"q": q, "api_key": self.api_key}
        response = requests.post(f"{self.base_url}api/v2/sql", data=data, timeout=TIMEOUT_S)
        assert response.status_code == 200, response.text
        rows: list[Json] = response.json()["rows"]
        return rows

    @contextmanager
    def table(self, *, public: bool = True) -> Iterator[str]:
        """Make a table of twelve points and a row without one; drop it in the end."""
        name = f"places_{uuid.uuid4().hex[:8]}"
        self.sql(CREATE.format(table=name))
        if public:
            self.sql(f"GRANT SELECT ON {name} TO publicuser")
        yield name
        self.sql(f"DROP TABLE {name} CASCADE")


def maps_client(sandbox: Sandbox) -> MapsClient:
    return MapsClient(sandbox.base_url, sandbox.api_key)


def styled(sql: str, **options: Any) -> Json:
    """Describe a map of one layer with a style."""
    return config(layer(sql, **CSS, **options))


def bare(sql: str, **options: Any) -> Json:
    """Describe a map of one layer for vector tiles only."""
    return config(layer(sql, **options))


def layer(sql: str, **options: Any) -> Json:
    return {"type": "cartodb", "options": {"sql": sql, **options}}


def config(*layers: Json, **rest: Any) -> Json:
    return {"version": "1.8.0", "layers": list(layers), **rest}


def errors(response: requests.Response) -> list[str]:
    messages: list[str] = response.json()["errors"]
    return messages


def picture(response: requests.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content)).convert("RGBA")


def colors(response: requests.Response) -> set[tuple[int, ...]]:
    """Return the colors of the opaque pixels."""
    image = picture(response)
    return {color for _, color in image.getcolors(1 << 20) or [] if color[3] == 255}


def features(tile: bytes, name: str = "layer0") -> list[Json]:
    """Decode the attributes of a vector tile's features with GDAL."""
    meta, _, _, columns = pyogrio.raw.read(tile, layer=name)
    fields = list(meta["fields"])
    rows = zip(*columns, strict=True)
    return [dict(zip(fields, row, strict=True)) for row in rows]


def layer_names(tile: bytes) -> list[str]:
    return [str(name) for name, _ in pyogrio.list_layers(tile)]
