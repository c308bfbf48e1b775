"""The account of the documentation, without what a page or an example leaves behind, and the service that is closed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import responses

from carto.api_keys import APIKeyManager
from carto.auth import APIKeyAuthClient
from carto.kuvizs import KuvizManager
from carto.maps import NamedMapManager
from carto.sql import SQLClient
from carto.sync_tables import SyncTableJobManager
from carto.visualizations import VisualizationManager

TABLES = "SELECT string_agg(quote_ident(tablename), ', ') AS names FROM pg_tables WHERE tableowner = current_user"
OBSERVATORY = "https://me.carto.com/api/v4"


def empty(client: APIKeyAuthClient) -> None:
    """Delete everything that the account holds."""
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
def data_observatory() -> Iterator[None]:
    """Answer as the service did that is closed; the sandbox has none."""
    stores = f"{OBSERVATORY}/data/observatory/user/datasets/stores"
    subscription = {"id": "carto-do.acme.demographics_2020", "type": "dataset", "status": "active"}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as service:
        service.get(f"{OBSERVATORY}/do/subscriptions", json={"subscriptions": [subscription]})
        service.post(f"{OBSERVATORY}/do/subscriptions", json={**subscription, "status": "requested"})
        service.post(stores.removesuffix("/stores"), status=201)
        service.post(stores, status=200)
        service.post(f"{stores}/imports", json={"item_queue_id": "1"})
        service.get(f"{stores}/imports/1", json={"status": "success"})
        service.get(stores, body="id,place\n1,POINT(16.37 48.21)\n")
        yield
