"""What the tests of CARTO's Rails APIs share: calls of one account, over a real socket."""

from __future__ import annotations

import uuid
from typing import Any

import requests

Json = dict[str, Any]


def words(text: str) -> list[str]:
    """Return the words of a text: lists of keys read better so."""
    return text.split()


class RailsClient:
    """Calls the APIs of one account, with its master key unless told otherwise."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.base_url = base_url
        self.api_key = api_key

    def call(
        self, method: str, path: str, key: str | None = "", params: Json | None = None, **arguments: Any
    ) -> requests.Response:
        """Send a request; ``key`` None sends no key."""
        credentials = {} if key is None else {"api_key": key or self.api_key}
        url = f"{self.base_url}api/{path}"
        return requests.request(method, url, params={**credentials, **(params or {})}, timeout=30, **arguments)

    def json(self, method: str, path: str, key: str | None = "", **arguments: Any) -> Any:
        """Send a request that succeeds, and return what it answers."""
        response = self.call(method, path, key, **arguments)
        assert response.status_code in (200, 201), f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    def sql(self, query: str, key: str | None = "") -> list[Json]:
        """Run SQL that succeeds, and return its rows."""
        answer = self.call("POST", "v2/sql", key, data={"q": query}).json()
        assert "error" not in answer, f"{query}: {answer}"
        rows: list[Json] = answer["rows"]
        return rows

    def new_table(self, columns: str = "x int") -> str:
        """Make a table by SQL, as a user would, with two points in it; return its name."""
        name = f"t_{uuid.uuid4().hex[:10]}"
        self.sql(f"CREATE TABLE {name} (the_geom geometry(Point, 4326), {columns})")
        self.sql(f"SELECT CDB_CartodbfyTable('public', '{name}')")
        self.sql(f"INSERT INTO {name} (the_geom) VALUES (CDB_LatLng(40, -3)), (CDB_LatLng(41, 2))")
        return name

    def dataset(self, name: str, **params: Any) -> Json:
        """Read a dataset or a map by name."""
        found: Json = self.json("GET", f"v1/viz/{name}", params=params)
        return found

    def change(self, visualization: Json, **changes: Any) -> Json:
        """Change a dataset or a map."""
        path = f"v1/viz/{visualization['id']}"
        changed: Json = self.json("PUT", path, json={"id": visualization["id"], **changes})
        return changed

    def new_map(self, *tables: str, **values: Any) -> Json:
        """Make a map over tables."""
        made: Json = self.json("POST", "v1/viz", json={"tables": list(tables), **values})
        return made

    def names(self, key: str | None = "", **params: Any) -> list[str]:
        """Return the names of the visualizations that a list holds."""
        listed = self.json("GET", "v1/viz", key, params={"per_page": 1000, **params})
        return [each["name"] for each in listed["visualizations"]]
