"""The page of the notebook of maps, for those who look at it in a browser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from carto.auth import APIKeyAuthClient
from carto.datasets import DatasetManager
from carto.maps import NamedMapManager
from carto.sandbox import Sandbox
from tests.notebook.execution import executed_page

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "maps.ipynb"


@contextlib.contextmanager
def page_of_maps(sandbox: Sandbox, folder: Path) -> Iterator[Path]:
    """Run the notebook on the sandbox's account; give its page, in the folder, and at last remove what it made."""
    yield executed_page(NOTEBOOK, sandbox, folder)
    with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
        NamedMapManager(client).get("cities_of_the_notebook").delete()
        for dataset in DatasetManager(client).all():
            if dataset.name.startswith("populated_places"):
                dataset.force_delete()
