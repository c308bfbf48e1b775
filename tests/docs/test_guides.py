"""Every Python block of the documentation runs, prints what stands below it, and draws the pictures that are shown."""

from __future__ import annotations

import contextlib
import doctest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses

from carto.api_keys import APIKeyManager
from carto.auth import APIKeyAuthClient
from carto.kuvizs import KuvizManager
from carto.maps import NamedMapManager
from carto.sql import SQLClient
from carto.sync_tables import SyncTableJobManager
from carto.visualizations import VisualizationManager
from tests.conftest import PROJECT_ROOT
from tests.docs.guide_steps import Step, pages, run, steps
from tests.docs.pictures import DRAWN, IMAGES, SOURCE
from tests.pictures import pixels

pytestmark = [
    pytest.mark.usefixtures("carto_com"),
    pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning"),
]

TABLES = "SELECT string_agg(quote_ident(tablename), ', ') AS names FROM pg_tables WHERE tableowner = current_user"
OBSERVATORY = "https://me.carto.com/api/v4"


@pytest.fixture
def names() -> Iterator[dict[str, Any]]:
    """Give what a page may count on: `auth_client`, an account with nothing in it, and the examples' files."""
    Path("examples").symlink_to(PROJECT_ROOT / "examples")
    with APIKeyAuthClient("https://me.carto.com/", "my_api_key") as client:
        yield {"__name__": "page", "auth_client": client}
        _empty(client)


def _empty(client: APIKeyAuthClient) -> None:
    for manager in (SyncTableJobManager, VisualizationManager, NamedMapManager, KuvizManager):
        for each in manager(client).all():
            each.delete()
    for key in APIKeyManager(client).filter(type="regular"):
        key.delete()
    sql = SQLClient(client)
    tables = sql.send(TABLES)["rows"][0]["names"]
    if tables:
        sql.send(f"DROP TABLE {tables} CASCADE")


@contextlib.contextmanager
def _data_observatory() -> Iterator[None]:
    """Answer as the service did that is closed; the sandbox has none."""
    stores = f"{OBSERVATORY}/data/observatory/user/datasets/stores"
    subscription = {"id": "carto-do.acme.demographics_2020", "type": "dataset", "status": "active"}
    with responses.RequestsMock() as service:
        service.get(f"{OBSERVATORY}/do/subscriptions", json={"subscriptions": [subscription]})
        service.post(stores.removesuffix("/stores"), status=201)
        service.post(stores, status=200)
        service.post(f"{stores}/imports", json={"item_queue_id": "1"})
        service.get(f"{stores}/imports/1", json={"status": "success"})
        service.get(stores, body="id,place\n1,POINT(16.37 48.21)\n")
        yield


@pytest.mark.parametrize("page", pages(SOURCE), ids=lambda page: str(page.relative_to(SOURCE)))
def test_page(page: Path, names: dict[str, Any]) -> None:
    with _data_observatory() if page.stem == "data_observatory" else contextlib.nullcontext():
        for step in steps(page):
            printed = run(page, step, names)
            assert _is_shown(step, printed), f"{page.name}:{step.line} printed:\n{printed}\nand shows:\n{step.shown}"
    for picture, (drawing_page, file) in DRAWN.items():
        if page == SOURCE / drawing_page:
            difference = abs(pixels(Path(file).read_bytes()) - pixels((IMAGES / picture).read_bytes())).mean()
            assert difference < 2, f"{picture} shows something else: run python -m tests.docs.pictures"


def _is_shown(step: Step, printed: str) -> bool:
    """Compare as doctest does: `...` stands for anything."""
    return doctest.OutputChecker().check_output(step.shown, printed, doctest.ELLIPSIS)


def test_the_check_refuses_other_output() -> None:
    step = Step(1, "python", "", shown="3 rows in ... s\n")
    assert _is_shown(step, "3 rows in 0.1 s\n")
    assert not _is_shown(step, "4 rows in 0.1 s\n")
    assert not _is_shown(step._replace(shown=""), "4 rows\n")
