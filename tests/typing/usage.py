"""Typical use, as a user's own type checker sees it: no stubs of ours, only what the package says."""

from __future__ import annotations

import datetime
from pathlib import Path

from carto.api_keys import APIKeyManager, TableGrant
from carto.auth import APIKeyAuthClient, AuthAPIClient, NoAuthClient, NonVerifiedAPIKeyAuthClient
from carto.datasets import Dataset, DatasetManager
from carto.do_dataset import DODataset
from carto.do_token import DoTokenManager
from carto.exceptions import CartoException, CartoRateLimitException
from carto.file_import import FileImportJobManager
from carto.kuvizs import KuvizManager
from carto.permissions import PUBLIC
from carto.sql import BatchSQLClient, CopySQLClient, Identifier, SQLClient
from carto.sync_tables import SyncTableJobManager
from carto.users import UserManager
from carto.visualizations import VisualizationManager


def queries(base_url: str, api_key: str) -> list[str]:
    with APIKeyAuthClient(base_url, api_key, timeout=(5, 60), retries=1) as client:
        sql = SQLClient(client)
        answer = sql.send("SELECT * FROM %s WHERE at > %s", params=[Identifier("t"), datetime.date(2020, 1, 1)])
        names = [str(row["name"]) for row in answer["rows"]]
        names += [row["name"] for row in sql.iterate("SELECT name FROM t")]
        return names


def copies(client: APIKeyAuthClient | NoAuthClient, path: Path) -> int:
    copy = CopySQLClient(client)
    copy.copyfrom("COPY t FROM STDIN", (f"{n}\n" for n in range(3)), progress=lambda done, total: None)
    copy.copyfrom_file_path("COPY t FROM STDIN", path, progress=True)
    with copy.copyto_stream("COPY t TO STDOUT") as stream:
        return len(stream.read())


def jobs(client: NonVerifiedAPIKeyAuthClient | AuthAPIClient) -> str:
    batch = BatchSQLClient(client)
    job = batch.create(["SELECT 1", "SELECT 2"])
    return batch.cancel(job["job_id"])


def datasets(client: APIKeyAuthClient) -> Dataset | None:
    manager = DatasetManager(client)
    for dataset in manager.iterate(page_size=100):
        dataset.privacy = PUBLIC
        dataset.save()
    imports = FileImportJobManager(client).all()
    syncs = SyncTableJobManager(client).create("https://example.com/a.csv", 900)
    syncs.force_sync()
    layers = manager.create_all("land.gpkg", privacy=PUBLIC)
    print(layers[0].name, layers[1:])
    my_map = VisualizationManager(client).get("my map")
    my_map.download("my_map.carto")
    url = my_map.export(timeout=10)
    print(len(imports), url)
    return manager.get_or_none("cities")


def account(client: APIKeyAuthClient) -> list[str]:
    keys = APIKeyManager(client)
    grant = TableGrant(client, schema="public", name="stores", permissions=["select"])
    for tables in ([grant], [{"schema": "public", "name": "stores", "permissions": ["select"]}], grant):
        key = keys.create("reporting", ["sql"], tables)
        key.regenerate_token()
        key.delete()
    kuviz = KuvizManager(client).create("<html></html>", "hello", password="sesame", if_exists="replace")
    kuviz.password = None
    kuviz.save()
    boss = UserManager(client).filter(org_admin=True)[0]
    boss.delete(force=True)
    with DODataset("stores", [("a", "DATE")], auth_client=client).ttl_seconds(60).download_stream() as stream:
        print(stream.read(), DoTokenManager(client).get().access_token)
    return [key.name for key in keys.all()]


def errors(sql: SQLClient) -> int | None:
    try:
        sql.send("SELECT 1")
    except CartoRateLimitException as limit:
        return limit.retry_after
    except CartoException as error:
        print(error)
    return None


def revealed(sql: SQLClient, batch: BatchSQLClient, manager: DatasetManager, copy: CopySQLClient) -> None:
    reveal_type(sql.iterate("SELECT 1"))  # R: typing.Iterator[dict[str, Any]]
    reveal_type(batch.cancel("x"))  # R: str
    reveal_type(batch.read("x"))  # R: dict[str, Any]
    reveal_type(manager.all())  # R: list[carto.datasets.Dataset]
    reveal_type(manager.get("x"))  # R: carto.datasets.Dataset
    reveal_type(manager.create_all("x"))  # R: carto.display.Listing[carto.datasets.Dataset]
    reveal_type(APIKeyManager(sql.auth_client).create("x"))  # R: carto.api_keys.APIKey
    reveal_type(APIKeyManager(sql.auth_client).get("x"))  # R: carto.api_keys.APIKey
    reveal_type(KuvizManager(sql.auth_client).get("x"))  # R: carto.kuvizs.Kuviz
    reveal_type(UserManager(sql.auth_client).all())  # R: list[carto.users.User]
    reveal_type(copy.copyto("COPY t TO STDOUT"))  # R: requests.models.Response
