"""What the tests of imports share: starting one, waiting for it, looking at the tables."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.sandbox.rails_client import Json, RailsClient

DATA = Path(__file__).parent.parent / "data"
STATES = ("enqueued", "pending", "uploading", "unpacking", "importing", "guessing", "complete", "failure")
LIMIT_S = 60.0

_COLUMNS = """
SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
WHERE attrelid = 'public.{}'::regclass AND attnum > 0 AND NOT attisdropped
  AND attname NOT IN ('cartodb_id', 'the_geom', 'the_geom_webmercator')
ORDER BY attnum
"""


class ImportClient(RailsClient):
    """Calls the Import API of one account, and looks at what came of it."""

    def start(self, content: bytes | Path, name: str | None = None, **params: Any) -> str:
        """Upload a file; return the id of its import."""
        data = content.read_bytes() if isinstance(content, Path) else content
        name = name or (content.name if isinstance(content, Path) else "data.csv")
        return self._id(self.call("POST", "v1/imports/", params=params, files={"file": (name, data)}))

    def start_json(self, **body: Any) -> str:
        """Import what a JSON body describes; return the id."""
        return self._id(self.call("POST", "v1/imports", json=body))

    def _id(self, response: Any) -> str:
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer.pop("success") is True
        assert list(answer) == ["item_queue_id"]
        return str(answer["item_queue_id"])

    def read(self, import_id: str) -> Json:
        found: Json = self.json("GET", f"v1/imports/{import_id}")
        assert found["state"] in STATES
        assert ("success" in found) == (found["state"] in ("complete", "failure"))
        return found

    def wait(self, import_id: str) -> Json:
        """Wait until an import has ended, however it did."""
        deadline = time.monotonic() + LIMIT_S
        while "success" not in (job := self.read(import_id)):
            assert time.monotonic() < deadline, f"it stays {job}"
            time.sleep(0.05)
        return job

    def complete(self, import_id: str) -> Json:
        """Wait until an import has succeeded."""
        job = self.wait(import_id)
        assert job["state"] == "complete", job
        return job

    def table_of(self, content: bytes | Path, name: str | None = None, **params: Any) -> str:
        """Import a file of one table; return the table's name."""
        job = self.complete(self.start(content, name, **params))
        assert job["tables_created_count"] == 1
        return str(job["table_name"])

    def failure(self, content: bytes | Path, name: str | None = None, **params: Any) -> Json:
        """Import a file that can't be; return the job."""
        job = self.wait(self.start(content, name, **params))
        assert (job["state"], job["success"]) == ("failure", False), job
        return job

    def columns(self, table: str) -> dict[str, str]:
        """Return PostgreSQL's types of a table's own columns."""
        return {row["name"]: row["type"] for row in self.sql(_COLUMNS.format(table))}

    def tables(self) -> list[str]:
        """Return the names of all tables, of the account and of unfinished imports."""
        query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
        return [row["relname"] for row in self.sql(query) if row["relname"] != "spatial_ref_sys"]

    def drop_tables(self) -> None:
        """Drop all tables."""
        for table in self.tables():
            self.sql(f'DROP TABLE public."{table}" CASCADE')
