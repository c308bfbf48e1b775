"""The SDK's datasets, imports, synchronizations, maps and exports against the sandbox."""

from __future__ import annotations

import logging
import os
import pickle
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carto.auth import APIKeyAuthClient, NoAuthClient
from carto.datasets import Dataset, DatasetManager
from carto.exceptions import (
    CartoBadRequestException,
    CartoForbiddenException,
    CartoJobException,
    CartoLimitException,
    CartoNotFoundException,
    CartoUnauthorizedException,
    CartoUnprocessableException,
    CartoUsageException,
)
from carto.file_import import FileImportJob, FileImportJobManager
from carto.permissions import LINK, PRIVATE, PUBLIC
from carto.sandbox import Sandbox
from carto.sql import SQLClient
from carto.sync_tables import SyncTableJob, SyncTableJobManager
from carto.tables import TableManager
from carto.visualizations import VisualizationManager
from tests.conftest import started_or_skipped
from tests.file_server import serving
from tests.layers import write_layers

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

CSV = "name,price,longitude,latitude\nCafé,1.50,16.37,48.21\nBäckerei,2,-3.7,40.4\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Serve an account of these tests alone: they list, and remove, everything in it."""
    with started_or_skipped(Sandbox()) as running:
        yield running


@pytest.fixture
def manager(client: APIKeyAuthClient) -> Iterator[DatasetManager]:
    """Give the account, which is empty again after the test."""
    manager = DatasetManager(client)
    yield manager
    for dataset in manager.all():
        dataset.force_delete()
    for each in VisualizationManager(client).all():
        each.delete()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / f"Shops {uuid.uuid4().hex[:8]}.CSV"
    path.write_text(CSV, encoding="utf-8")
    return path


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a directory: its path and its URL."""
    directory = tmp_path / "web"
    directory.mkdir()
    with serving(directory) as url:
        yield directory, url


def rows(sql: SQLClient, dataset: Dataset) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sql.send(
        f"SELECT name, price, ST_X(the_geom) AS x, ST_Y(the_geom) AS y FROM {dataset.name} ORDER BY x DESC")["rows"]
    return found


ROWS = [{"name": "Café", "price": 1.5, "x": 16.37, "y": 48.21}, {"name": "Bäckerei", "price": 2, "x": -3.7, "y": 40.4}]


class TestImports:
    @pytest.mark.parametrize("form", ["text", "path", "file", "bytes"])
    def test_a_file_in_every_form(self, manager: DatasetManager, sql: SQLClient, csv: Path, form: str) -> None:
        if form == "file":
            with csv.open("rb") as file:
                dataset = manager.create(file)
        elif form == "bytes":
            dataset = manager.create(csv.read_bytes(), filename=csv.name)
        else:
            dataset = manager.create(str(csv) if form == "text" else csv)
        assert dataset.name == csv.stem.lower().replace(" ", "_")
        assert rows(sql, dataset) == ROWS
        assert (dataset.table.row_count, dataset.table.geometry_types) == (2, ["ST_Point"])

    def test_a_name_that_is_not_utf8(self, manager: DatasetManager, sql: SQLClient) -> None:
        assert rows(sql, manager.create(CSV.encode(), filename=os.fsdecode(b"caf\xe9.csv"))) == ROWS

    def test_a_url_keeps_its_case(self, manager: DatasetManager, sql: SQLClient, web: tuple[Path, str]) -> None:
        directory, url = web
        (directory / "Shops.CSV").write_text(CSV, encoding="utf-8")
        assert rows(sql, manager.create(f"{url}/Shops.CSV?Token=AbC")) == ROWS

    @pytest.mark.parametrize("privacy", [PRIVATE, PUBLIC, LINK])
    def test_privacy(self, manager: DatasetManager, csv: Path, privacy: str) -> None:
        assert manager.create(csv, privacy=privacy).privacy == privacy

    @pytest.mark.parametrize(("guessing", "kind"), [(True, "number"), (False, "string")])
    def test_D79_type_guessing(self, manager: DatasetManager, client: APIKeyAuthClient, csv: Path, guessing: bool,
                               kind: str) -> None:
        dataset = manager.create(csv, type_guessing=guessing)
        schema = TableManager(client).get(dataset.name).schema
        assert dict(column[:2] for column in schema)["price"] == kind

    @pytest.mark.parametrize("create_vis", [True, False])
    def test_D79_create_vis(self, manager: DatasetManager, client: APIKeyAuthClient, csv: Path,
                            create_vis: bool) -> None:
        manager.create(csv, create_vis=create_vis)
        assert len(VisualizationManager(client).all()) == int(create_vis)

    def test_several_layers(self, manager: DatasetManager, tmp_path: Path, csv: Path) -> None:
        other = manager.create(csv)
        counts = {"rivers": 3, "lakes": 2, "towns": 1}
        package = tmp_path / "land.gpkg"
        write_layers(package, counts)
        made = manager.create_all(package)
        assert {each.name.removeprefix("land_"): each.table.row_count for each in made} == counts
        assert other not in made

    def test_a_query_and_a_copy(self, manager: DatasetManager, sql: SQLClient, csv: Path) -> None:
        source = manager.create(csv)
        assert rows(sql, manager.create(table_copy=source.name)) == ROWS
        made = manager.create(sql=f"SELECT * FROM {source.name} WHERE price > 1.7", table_name="dear_shops")
        assert rows(sql, made) == ROWS[1:]

    def test_collisions(self, manager: DatasetManager, sql: SQLClient, csv: Path) -> None:
        first = manager.create(csv)
        assert manager.create(csv).name == f"{first.name}_1"
        assert manager.create(csv, collision_strategy="skip") is None
        csv.write_text(CSV.replace("Café", "Konditorei"), encoding="utf-8")
        assert manager.create(csv, collision_strategy="overwrite").id == first.id
        assert rows(sql, first)[0]["name"] == "Konditorei"
        assert len(manager.all()) == 2

    def test_a_job_is_listed_and_resumed_by_its_id(self, manager: DatasetManager, client: APIKeyAuthClient,
                                                   csv: Path) -> None:
        csv.write_text(CSV + "x,1,1,1\n" * 20_000, encoding="utf-8")
        job = manager.create(csv, wait=False)
        assert type(job) is FileImportJob
        jobs = FileImportJobManager(client)
        assert [each.get_id() for each in jobs.all()] == [job.get_id()]
        resumed = jobs.get(job.get_id())
        resumed.wait()
        assert (resumed.state, resumed.tables_created_count) == ("complete", 1)
        assert jobs.all() == []

    def test_too_many_at_once(self, manager: DatasetManager, csv: Path) -> None:
        csv.write_text("name,n\n" + "x,1\n" * 20_000)
        jobs = [manager.create(csv, wait=False) for _ in range(3)]
        with pytest.raises(CartoLimitException, match="3 import slots") as caught:
            manager.create(csv, wait=False)
        assert caught.value.kind == "imports"
        for job in jobs:
            job.wait()
        assert manager.create(csv).table.row_count == 20_000

    @pytest.mark.parametrize(("name", "content", "code", "title"), [
        ("empty.csv", b"", 1005, "Empty file"), ("broken.zip", b"PK\x03\x04 no zip", 1003, "Decompression error"),
        ("what.xyz", b"data", 1002, "Unsupported/Unrecognized file type"),
    ])
    def test_D08_a_failure_has_code_title_and_advice(self, manager: DatasetManager, name: str, content: bytes,
                                                     code: int, title: str) -> None:
        with pytest.raises(CartoJobException, match=f"error {code}: {title}. ...") as caught:
            manager.create(content, filename=name)
        assert caught.value.job.error_code == code
        assert caught.value.state == "failure"
        assert manager.all() == []

    @pytest.mark.parametrize(("options", "text"), [({"privacy": "secret"}, "privacy"),
                                                   ({"collision_strategy": "shrug"}, "collision_strategy")])
    def test_refusals(self, manager: DatasetManager, csv: Path, options: dict[str, str], text: str) -> None:
        with pytest.raises(CartoBadRequestException, match=text):
            manager.create(csv, **options)

    def test_a_wrong_key(self, sandbox: Sandbox, csv: Path) -> None:
        with APIKeyAuthClient(sandbox.base_url, "wrong") as wrong, pytest.raises(CartoUnauthorizedException):
            DatasetManager(wrong).create(csv)

    def test_an_unknown_id(self, client: APIKeyAuthClient) -> None:
        with pytest.raises((CartoNotFoundException, CartoBadRequestException)):
            FileImportJobManager(client).get("no-uuid")

    def test_progress(self, manager: DatasetManager, csv: Path) -> None:
        sent: list[tuple[int, int | None]] = []
        states: list[str] = []
        manager.create(csv, progress=lambda done, total: sent.append((done, total)),
                       on_state=lambda job: states.append(job.state))
        assert sent[-1][0] == sent[-1][1]
        assert states[-1] == "complete"


class TestDatasets:
    def test_listed_and_read(self, manager: DatasetManager, csv: Path) -> None:
        names = {manager.create(csv).name for _ in range(3)}
        assert {each.name for each in manager.all()} == names
        assert {each.name for each in manager.iterate(page_size=1)} == names
        assert len(list(manager.iterate(limit=2))) == 2
        one = manager.all()[0]
        assert manager.get(one.id) == manager.get(one.name) == one
        assert manager.filter(q=one.name)[0] == one

    def test_one_read_is_as_complete_as_one_listed(self, manager: DatasetManager, csv: Path) -> None:
        manager.create(csv)
        (listed,) = manager.all()
        read = manager.get(listed.id)
        assert read.permission.owner.username == listed.permission.owner.username
        assert read.stats == listed.stats
        assert read.dependent_visualizations_count == 0

    def test_one_made_by_sql(self, manager: DatasetManager, sql: SQLClient) -> None:
        sql.send("CREATE TABLE by_sql (the_geom geometry(Geometry, 4326)); "
                 "SELECT CDB_CartodbfyTable(current_schema, 'by_sql')")
        assert manager.get("by_sql").table.name == "by_sql"

    def test_privacy_is_changed_for_real(self, manager: DatasetManager, sandbox: Sandbox, csv: Path) -> None:
        dataset = manager.create(csv, privacy=PRIVATE)
        with NoAuthClient(sandbox.base_url) as anybody:
            with pytest.raises(CartoForbiddenException):
                SQLClient(anybody).send(f"SELECT * FROM {dataset.name}", do_post=False)
            dataset.privacy = PUBLIC
            dataset.save()
            assert SQLClient(anybody).send(f"SELECT * FROM {dataset.name}", do_post=False)["total_rows"] == 2
        assert manager.get(dataset.id).privacy == PUBLIC

    def test_the_other_properties(self, manager: DatasetManager, sql: SQLClient, csv: Path) -> None:
        dataset = manager.create(csv)
        dataset.name, dataset.tags, dataset.description = "My Shops!", ["a", "b"], "Läden"
        dataset.attributions = "© them"
        dataset.save()
        assert dataset.name == "my_shops_"
        again = manager.get("my_shops_")
        assert (again.tags, again.description, again.attributions) == (["a", "b"], "Läden", "© them")
        assert rows(sql, again) == ROWS
        again.description = None
        again.save()
        dataset.refresh()
        assert not dataset.description

    def test_a_bad_privacy(self, manager: DatasetManager, csv: Path) -> None:
        dataset = manager.create(csv)
        dataset.privacy = "SECRET"
        with pytest.raises(CartoForbiddenException, match="Privacy is not included in the list"):
            dataset.save()

    def test_delete(self, manager: DatasetManager, sql: SQLClient, csv: Path) -> None:
        dataset = manager.create(csv)
        dataset.delete()
        assert manager.get_or_none(dataset.id) is None
        with pytest.raises(CartoBadRequestException, match="does not exist"):
            rows(sql, dataset)

    def test_D48_delete_with_dependents(self, manager: DatasetManager, client: APIKeyAuthClient, csv: Path) -> None:
        dataset = manager.create(csv)
        VisualizationManager(client).create(name="my map", tables=[dataset.name])
        dataset.description = "new"
        with pytest.raises(CartoUsageException, match="depend on it: my map;"):
            dataset.delete()
        dataset.save()
        assert manager.get(dataset.id).description == "new"
        dataset.force_delete()
        assert manager.all() == []
        assert VisualizationManager(client).all() == []

    def test_a_missing_one(self, manager: DatasetManager) -> None:
        with pytest.raises(CartoNotFoundException, match="Visualization does not exist"):
            manager.get("missing")
        assert manager.get_or_none("mis?si/ng") is None

    def test_a_bad_filter(self, manager: DatasetManager) -> None:
        with pytest.raises(CartoBadRequestException, match="Wrong 'order' parameter value"):
            manager.filter(order="beauty")

    def test_pickled(self, manager: DatasetManager, sandbox: Sandbox, client: APIKeyAuthClient, csv: Path) -> None:
        dataset = manager.create(csv)
        assert dataset.permission.owner.username == client.username
        pickled = pickle.dumps(dataset)
        assert sandbox.api_key.encode() not in pickled
        loaded = pickle.loads(pickled)
        assert (loaded, loaded.table.row_count, loaded.permission) == (dataset, 2, dataset.permission)
        with pytest.raises(CartoUsageException, match="no client"):
            loaded.save()
        loaded.client, loaded.description = client, "new"
        loaded.save()
        assert manager.get(dataset.id).description == "new"

    def test_its_table(self, manager: DatasetManager, client: APIKeyAuthClient, csv: Path) -> None:
        dataset = manager.create(csv)
        table = TableManager(client).get(dataset.table.id)
        assert table.table_visualization == VisualizationManager(client).resource_class(client, id=dataset.id)
        table.privacy = LINK
        table.save()
        assert manager.get(dataset.id).privacy == LINK


class TestMaps:
    @pytest.fixture
    def maps(self, client: APIKeyAuthClient) -> VisualizationManager:
        return VisualizationManager(client)

    def test_found_changed_deleted(self, manager: DatasetManager, maps: VisualizationManager, csv: Path) -> None:
        dataset = manager.create(csv)
        made = maps.create(name="100% müd/e?", tables=[dataset.name])
        found = maps.get("100% müd/e?")
        assert found == made == maps.get(made.id)
        assert [table.name for table in found.related_tables] == [dataset.name]
        found.privacy, found.password = "PASSWORD", "open sesame"
        found.save()
        assert maps.get(made.id).privacy == "PASSWORD"
        found.delete()
        assert maps.get_or_none("100% müd/e?") is None

    def test_a_dataset_is_no_map(self, manager: DatasetManager, maps: VisualizationManager, csv: Path) -> None:
        dataset = manager.create(csv)
        assert maps.get_or_none(dataset.name) is None
        made = maps.create(tables=[dataset.name])
        assert manager.get_or_none(made.id) is None

    def test_exported_and_imported_again(self, manager: DatasetManager, maps: VisualizationManager, sql: SQLClient,
                                         csv: Path, tmp_path: Path) -> None:
        dataset = manager.create(csv)
        my_map = maps.create(name="my map", tables=[dataset.name])
        assert my_map.export().startswith("http")
        file = tmp_path / "my_map.carto"
        my_map.download(file)
        assert zipfile.is_zipfile(file)
        my_map.delete()
        dataset.force_delete()
        again = manager.create(file, create_vis=True)
        assert rows(sql, again) == ROWS
        assert [each.name for each in maps.all()] == ["my map"]

    def test_a_dataset_cannot_be_exported(self, manager: DatasetManager, maps: VisualizationManager, csv: Path) -> None:
        dataset = manager.create(csv)
        with pytest.raises(CartoUnprocessableException, match="Only derived visualizations can be exported"):
            maps.resource_class(manager.client, id=dataset.id).export()


class TestSynchronizations:
    @pytest.fixture
    def url(self, web: tuple[Path, str]) -> str:
        directory, url = web
        (directory / "shops.csv").write_text(CSV, encoding="utf-8")
        return f"{url}/shops.csv"

    def test_a_dataset_that_is_fetched_again(self, manager: DatasetManager, sql: SQLClient, url: str) -> None:
        dataset = manager.create(url, 900)
        assert rows(sql, dataset) == ROWS
        assert dataset.synchronization.interval == 900
        assert dataset.synchronization.url == url
        dataset.synchronization.interval = 5
        with pytest.raises(CartoUsageException, match="900 or more, not 5"):
            dataset.synchronization.save()

    def test_a_job_of_its_own(self, manager: DatasetManager, client: APIKeyAuthClient, url: str,
                              caplog: pytest.LogCaptureFixture) -> None:
        syncs = SyncTableJobManager(client)
        job = syncs.create(url, 900)
        assert type(job) is SyncTableJob
        job.wait()
        assert [each.get_id() for each in syncs.all()] == [job.get_id()]
        assert syncs.get(job.get_id()).state == "success"

        with caplog.at_level(logging.WARNING, "carto"):
            job.force_sync()
        assert job.enqueued is False
        assert "the next can be at" in caplog.text

        job.interval = 7200
        job.save()
        assert syncs.get(job.get_id()).interval == 7200
        job.delete()
        assert syncs.all() == []
        assert len(manager.all()) == 1

    def test_a_failure(self, manager: DatasetManager, url: str) -> None:
        with pytest.raises(CartoJobException, match="error 1100"):
            manager.create(f"{url}.missing", 900)

    def test_a_missing_one(self, client: APIKeyAuthClient) -> None:
        with pytest.raises(CartoNotFoundException):
            SyncTableJobManager(client).get(str(uuid.uuid4()))
