"""Datasets: imported, listed, read, changed, deleted."""

import json
import sys
import threading
import tracemalloc
from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

import pyrestcli.exceptions
import pytest

from carto import datasets
from carto.auth import APIKeyAuthClient, NoAuthClient
from carto.datasets import Dataset, DatasetManager
from carto.exceptions import (
    CartoBadRequestException,
    CartoException,
    CartoForbiddenException,
    CartoInvalidResponseException,
    CartoJobException,
    CartoNotFoundException,
    CartoRateLimitException,
    CartoServerException,
    CartoUsageException,
)
from carto.file_import import FileImportJob
from carto.permissions import PUBLIC
from carto.resources import NonPublicAPIWarning
from carto.sync_tables import SyncTableJob
from carto.users import User
from tests.unit.calls import query, sent
from tests.unit.viz_objects import DATASET_ID, MAP_ID, TABLE_ID, dataset, listing, map_

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

ROOT = "https://me.carto.com/api/v1/"
VIZ, IMPORTS, SYNCS, TABLES = (f"{ROOT}{name}/" for name in ("viz", "imports", "synchronizations", "tables"))
JOB_ID = "2c7a0a1e-6f0b-4a52-9a3b-0f3f5f0c1d11"
URL = "https://example.com/stores.csv"


@pytest.fixture
def manager(auth_client):
    return DatasetManager(auth_client)


@pytest.fixture
def stores(auth_client):
    stores = Dataset(auth_client)
    stores.update_from_dict(dataset())
    return stores


def methods(server):
    return [call.request.method for call in server.calls]


def imports(server, *states, table=True):
    """A server that imports; the last state is the one it stays in."""
    server.post(IMPORTS, json={"item_queue_id": JOB_ID, "success": True})
    for state in states or [complete()]:
        server.get(IMPORTS + JOB_ID, json=state)
    if table:
        server.get(TABLES + TABLE_ID, json={"id": TABLE_ID, "name": "stores", "table_visualization": dataset()})
        server.get(VIZ + DATASET_ID, json=dataset())


def complete(**more):
    return {"id": JOB_ID, "state": "complete", "success": True, "error_code": None, "table_id": TABLE_ID,
            "table_name": "stores", "tables_created_count": 1, **more}


class TestImporting:
    def test_a_url_becomes_a_dataset(self, manager, server, clock):
        imports(server, {"id": JOB_ID, "state": "pending"}, complete())
        stores = manager.create(URL, privacy="private")
        assert (type(stores), stores.name, stores.id) == (Dataset, "stores", DATASET_ID)
        assert methods(server) == ["POST", "GET", "GET", "GET", "GET"]
        assert sent(server.calls[0]) == {"url": URL, "privacy": "private"}

    def test_D11_a_file_is_sent_once(self, manager, server, clock, tmp_path):
        imports(server)
        (tmp_path / "Stores.CSV").write_text("a\n1\n")
        assert manager.create(tmp_path / "Stores.CSV").name == "stores"
        assert methods(server).count("POST") == 1

    def test_only_the_name_of_the_table_is_known(self, manager, server, clock):
        imports(server, complete(table_id=None), table=False)
        server.get(TABLES + "stores", json={"id": TABLE_ID, "name": "stores"})
        server.get(VIZ + "stores", json=dataset())
        assert manager.create(URL).id == DATASET_ID

    @pytest.mark.parametrize("skipped", [complete(table_id=None, error_code=1022),
                                         complete(table_id=None, table_name=None, error_code=1022)])
    def test_what_was_skipped_gives_none(self, manager, server, clock, skipped):
        imports(server, skipped, table=False)
        assert manager.create(URL, collision_strategy="skip", table_name="stores") is None

    def test_without_waiting_there_is_the_job(self, manager, server):
        imports(server, table=False)
        job = manager.create(URL, wait=False)
        assert (type(job), job.get_id()) == (FileImportJob, JOB_ID)
        assert methods(server) == ["POST"]

    def test_D08_a_failure_has_the_servers_words(self, manager, server, clock):
        text = {"title": "Empty file", "what_about": "The file is empty.", "source": "user"}
        imports(server, {"id": JOB_ID, "state": "failure", "error_code": 1005, "get_error_text": text}, table=False)
        with pytest.raises(CartoJobException, match=r"error 1005: Empty file\. The file is empty$"):
            manager.create(URL)

    def test_D61_the_deadline_is_that_of_the_module_at_the_call(self, manager, server, clock, monkeypatch):
        imports(server, {"id": JOB_ID, "state": "pending"}, table=False)
        monkeypatch.setattr(datasets, "MAX_NUMBER_OF_RETRIES", 4)
        monkeypatch.setattr(datasets, "INTERVAL_BETWEEN_RETRIES_S", 5)
        with pytest.raises(CartoJobException, match="not finished after 20 seconds") as caught:
            manager.create(URL)
        assert caught.value.job_id == JOB_ID
        assert clock.now == pytest.approx(20)
        with pytest.raises(CartoJobException, match="not finished after 3 seconds"):
            manager.create(URL, timeout=3)

    def test_the_default_deadline_is_ten_minutes(self, manager, server, clock):
        imports(server, {"id": JOB_ID, "state": "pending"}, table=False)
        with pytest.raises(CartoJobException, match="not finished after 600 seconds"):
            manager.create(URL)

    def test_progress_in_bytes_and_then_in_states(self, manager, server, clock):
        server.add_callback("POST", IMPORTS, lambda request: (
            b"".join(request.body) and (200, {}, json.dumps({"item_queue_id": JOB_ID}))))
        server.get(IMPORTS + JOB_ID, json={"id": JOB_ID, "state": "importing"})
        imports(server)
        bytes_sent, states = [], []
        manager.create(b"a\n1\n", filename="stores.csv", progress=lambda done, total: bytes_sent.append((done, total)),
                       on_state=lambda job: states.append(job.state))
        assert bytes_sent[-1][0] == bytes_sent[-1][1] > 4
        assert states == ["importing", "complete"]

    def test_progress_as_a_bar(self, manager, server, clock, capsys):
        imports(server, {"id": JOB_ID, "state": "unpacking"}, complete())
        states = []
        manager.create(URL, progress=True, on_state=lambda job: states.append(job.state))
        assert states == ["unpacking", "complete"]
        assert "import: complete" in capsys.readouterr().err

    @pytest.mark.parametrize(("options", "text"), [({"timeout": 0}, "above 0"), ({"timeout": "soon"}, "above 0"),
                                                   ({"progress": "yes"}, "progress is a function")])
    @pytest.mark.parametrize("import_it", [DatasetManager.create, DatasetManager.create_all])
    def test_what_cannot_be_waited_with_is_refused_before_sending(self, manager, server, import_it, options, text):
        with pytest.raises(CartoUsageException, match=text):
            import_it(manager, URL, **options)
        assert len(server.calls) == 0

    def test_a_bar_without_tqdm_is_refused_before_sending(self, manager, server, monkeypatch):
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
        with pytest.raises(CartoUsageException, match="tqdm, which is not installed"):
            manager.create(URL, progress=True)
        assert len(server.calls) == 0

    def test_D76_bytes_need_a_name(self, manager, server):
        with pytest.raises(CartoUsageException, match="filename="):
            manager.create(b"a\n1\n")
        assert len(server.calls) == 0


CREATED = {"id": "s1", "state": "queued", "interval": 900, "visualization_id": None, "name": None}
DONE = {**CREATED, "state": "success", "visualization_id": DATASET_ID, "name": "stores"}


class TestSynchronized:
    def test_a_url_with_an_interval(self, manager, server, clock):
        server.post(SYNCS, json=CREATED)
        server.get(SYNCS + "s1", json={**CREATED, "state": "syncing"})
        server.get(SYNCS + "s1", json=DONE)
        server.get(VIZ + DATASET_ID, json=dataset())
        assert manager.create(URL, 900).name == "stores"
        assert methods(server) == ["POST", "GET", "GET", "GET"]

    def test_only_its_name_is_known(self, manager, server, clock):
        server.post(SYNCS, json={**DONE, "visualization_id": None})
        server.get(VIZ + "stores", json=dataset())
        assert manager.create(URL, 900).id == DATASET_ID

    def test_D12_a_database_with_an_interval(self, manager, server):
        server.post(SYNCS, json=CREATED)
        job = manager.create(None, 900, connection={"provider": "postgres"}, wait=False)
        assert type(job) is SyncTableJob
        assert sent(server.calls[0]) == {"interval": 900, "connector": {"provider": "postgres"}}

    @pytest.mark.parametrize("archive", ["stores.csv", b"a\n1\n", None])
    def test_D13_a_local_file_cannot_be_fetched_again(self, manager, server, archive):
        with pytest.raises(CartoUsageException, match="cannot fetch a local file again"):
            manager.create(archive, 900)
        assert len(server.calls) == 0

    @pytest.mark.parametrize(("archive", "interval", "options", "expected"), [
        (URL, 900, {}, True), ("HTTP://x/y.csv", 900, {}, True), (URL, None, {}, False), ("a.csv", 900, {}, False),
        (None, 900, {"connection": {}}, True), (None, 900, {"connector": {}}, True),
        (None, None, {"connection": {}}, False),
    ])
    def test_telling_them_from_others(self, manager, archive, interval, options, expected):
        assert manager.is_sync_table(archive, interval, **options) is expected


class TestSeveralLayers:
    def make(self, server, before, after, count):
        server.get(VIZ, json=listing(*before))
        imports(server, complete(tables_created_count=count))
        server.get(VIZ, json=listing(*after))

    OLD = dataset(id="old", name="old")
    NEW = (dataset(id="1", name="rivers"), dataset(id="2", name="lakes"))

    def test_D85_every_dataset_is_returned(self, manager, server, clock):
        self.make(server, [self.OLD], [*self.NEW, self.OLD], 2)
        assert [each.name for each in manager.create_all(URL)] == ["rivers", "lakes"]

    def test_others_that_changed_meanwhile_are_told_apart(self, manager, server, clock):
        changed = {**self.OLD, "updated_at": "2021-01-01T00:00:00Z"}
        self.make(server, [self.OLD], [changed, *self.NEW], 2)
        assert [each.name for each in manager.create_all(URL)] == ["rivers", "lakes"]

    def test_overwritten_ones_are_found_by_their_change(self, manager, server, clock):
        changed = [{**each, "updated_at": "2021-01-01T00:00:00Z"} for each in self.NEW]
        self.make(server, [self.OLD, *self.NEW], [*changed, self.OLD], 2)
        found = manager.create_all(URL, collision_strategy="overwrite")
        assert [each.name for each in found] == ["rivers", "lakes"]

    def test_what_cannot_be_told_apart_is_an_error_that_names_all(self, manager, server, clock):
        self.make(server, [self.OLD], [*self.NEW, dataset(id="3", name="somebody_elses"), self.OLD], 2)
        with pytest.raises(CartoJobException, match=r"made 2 datasets.* rivers, lakes, somebody_elses") as caught:
            manager.create_all(URL)
        assert caught.value.job.tables_created_count == 2

    def test_one_layer(self, manager, server, clock):
        self.make(server, [], [], 1)
        assert [each.id for each in manager.create_all(URL)] == [DATASET_ID]

    def test_none(self, manager, server, clock):
        server.get(VIZ, json=listing())
        imports(server, complete(table_id=None, table_name=None, tables_created_count=0, error_code=1022), table=False)
        assert manager.create_all(URL, collision_strategy="skip") == []


    def test_an_interval_is_refused_before_sending(self, manager, server):
        with pytest.raises(CartoUsageException, match="create_all takes no interval"):
            manager.create_all(URL, interval=900)
        assert len(server.calls) == 0


class TestListing:
    def test_everything_that_a_dataset_has(self, manager, server):
        server.get(VIZ, json=listing(dataset()))
        (stores,) = manager.all()
        assert query(server.calls[0]) == {
            "type": "table", "exclude_shared": "true", "with_dependent_visualizations": "1", "page": "1",
            "per_page": "1000", "show_liked": "true", "show_permission": "true", "show_stats": "true",
            "client": query(server.calls[0])["client"]}
        assert stores.updated_at == datetime(2020, 3, 5, 9, 12, 44, 11000, tzinfo=timezone.utc)
        assert (stores.table.row_count, stores.table.geometry_types) == (1520, ["ST_Point"])
        assert (type(stores.permission.owner), stores.permission.owner.username) == (User, "me")
        assert stores.synchronization is None

    def test_D36b_stats_keep_their_counts(self, stores):
        assert stores.stats == {"2020-02-05": 0, "2020-02-06": 3}

    def test_D38_without_an_organization(self, server):
        server.get("https://me.carto.com/api/v1/viz/", json=listing(dataset()))
        (stores,) = DatasetManager(NoAuthClient("https://me.carto.com/")).all()
        assert stores.permission.owner.username == "me"
        assert stores.user is None

    def test_D53_one_warning_for_all_of_them(self, manager, server, monkeypatch):
        monkeypatch.setattr("carto.resources._warned", set())
        server.get(VIZ, json=listing(*(dataset(id=str(number)) for number in range(10))))
        with pytest.warns(NonPublicAPIWarning) as caught:
            manager.all()
        assert [str(each.message) for each in caught] == [
            "Dataset uses a non-public API of CARTO, which may change without notice"]
        assert caught[0].filename == __file__

    def test_D28_an_empty_page_is_the_end(self, manager, server):
        server.get(VIZ, json={"visualizations": [], "total_entries": 5})
        assert manager.all() == []
        assert len(server.calls) == 1

    def test_D62_threads_share_a_manager(self, manager, server):
        def page(request):
            number = int(query_of(request)["page"])
            items = [dataset(id=str(n)) for n in range((number - 1) * 10, number * 10)]
            return 200, {}, json.dumps({"visualizations": items, "total_entries": 40})

        def query_of(request):
            return {name: value for name, (value,) in parse_qs(urlsplit(request.url).query).items()}

        server.add_callback("GET", VIZ, page)
        counts = []
        threads = [threading.Thread(target=lambda: counts.append(len(manager.filter(per_page=10)))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == [40] * 4

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (400, '{"error": "Wrong \'order\' parameter value."}', CartoBadRequestException, "Wrong 'order'"),
        (500, '{"error": "boom"}', CartoServerException, "boom"),
        (403, '{"error": "lockout"}', CartoForbiddenException, "lockout"),
        (404, "", CartoNotFoundException, "404"),
        (502, "<html><h1>502 Bad Gateway</h1></html>", CartoServerException, "502 Bad Gateway"),
        (200, "<html>Sorry</html>", CartoInvalidResponseException, "Sorry"),
        (200, '{"visualizations": {}}', CartoInvalidResponseException, "no list of visualizations"),
    ])
    def test_D29_what_the_server_says_is_raised(self, manager, server, status, body, kind, text):
        server.get(VIZ, status=status, body=body)
        with pytest.raises(kind, match=text):
            manager.all()

    def test_D15_a_rate_limit_stays_one(self, manager, server):
        server.get(VIZ, status=429, headers={"Retry-After": "5"})
        with pytest.raises(CartoRateLimitException):
            manager.all()

    def test_a_listing_costs_little_memory(self, server):
        """12 kB for each dataset is what is allowed; the parsed JSON itself takes 9 kB of them."""
        page = json.dumps(listing(*(dataset(stats={f"2020-02-{day:02}": day for day in range(30)})
                                    for _ in range(300))))
        server.get(VIZ, body=page)
        manager = DatasetManager(APIKeyAuthClient("https://me.carto.com/", "secret-key"))
        manager.all()
        tracemalloc.start()
        found = manager.all()
        held = tracemalloc.get_traced_memory()[0]  # with the page itself, which the mock keeps
        tracemalloc.stop()
        assert held - sys.getsizeof(page) < 12_000 * len(found)


class TestReading:
    @pytest.mark.parametrize("key", [DATASET_ID, "stores", "alice.stores"])
    def test_by_id_or_name(self, manager, server, key):
        server.get(VIZ + key, json=dataset())
        assert manager.get(key).name == "stores"
        assert query(server.calls[0])["show_permission"] == "true"

    @pytest.mark.parametrize(("key", "path"), [("100% a?b#c", "100%25%20a%3Fb%23c"), ("../perm/1", "..%2Fperm%2F1"),
                                               ("año", "a%C3%B1o")])
    def test_D69_names_are_encoded(self, manager, server, key, path):
        server.get(VIZ + path, json=dataset())
        manager.get(key)
        assert urlsplit(server.calls[0].request.url).path == f"/api/v1/viz/{path}"

    def test_a_map_is_no_dataset(self, manager, server):
        server.get(VIZ + "my%20map", json=map_())
        with pytest.raises(CartoNotFoundException, match="no such Dataset: my map is a visualization of type derived"):
            manager.get("my map")
        assert manager.get_or_none("my map") is None

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (404, '{"errors": "Visualization does not exist", "errors_cause": null}', CartoNotFoundException, "not exist"),
        (403, '{"errors": "Visualization not viewable", "errors_cause": "privacy_password", "visualization": {}}',
         CartoForbiddenException, "not viewable"),
        (404, "", CartoNotFoundException, "404"),
    ])
    def test_D29b_errors_are_ours_and_pyrestclis(self, manager, server, status, body, kind, text):
        server.get(VIZ + "x", status=status, body=body)
        with pytest.raises(kind, match=text) as caught:
            manager.get("x")
        assert isinstance(caught.value, CartoException)
        assert isinstance(caught.value, pyrestcli.exceptions.BaseException)

    @pytest.mark.parametrize("key", [None, ""])
    def test_an_id_is_needed(self, manager, key):
        with pytest.raises(CartoUsageException, match="id"):
            manager.get(key)

    def test_refresh_reads_as_much_as_a_listing(self, stores, server):
        server.get(VIZ + DATASET_ID, json=dataset(privacy="LINK"))
        stores.refresh()
        assert stores.privacy == "LINK"
        assert query(server.calls[0])["show_stats"] == "true"


class TestChanging:
    @pytest.mark.parametrize(("name", "value"), [("privacy", PUBLIC), ("name", "shops"), ("tags", ["a", "b"]),
                                                 ("description", "Läden"), ("attributions", "© them")])
    def test_a_property_and_the_id_are_sent(self, stores, server, name, value):
        server.put(VIZ + DATASET_ID, json=dataset(**{name: value}))
        setattr(stores, name, value)
        stores.save()
        body = sent(server.calls[0])
        assert (body["id"], body[name]) == (DATASET_ID, value)
        assert getattr(stores, name) == value

    def test_what_the_server_does_not_take_is_not_sent(self, stores, server):
        server.put(VIZ + DATASET_ID, json=dataset())
        stores.save()
        assert set(sent(server.calls[0])) == {"id", "name", "description", "tags", "privacy", "locked", "kind",
                                              "active_layer_id", "transition_options"}

    def test_D54_none_clears(self, stores, server):
        server.put(VIZ + DATASET_ID, json=dataset(description=None))
        stores.description = None
        stores.save()
        assert sent(server.calls[0])["description"] is None

    def test_one_field_still_carries_the_id(self, stores, server):
        server.put(VIZ + DATASET_ID, json=dataset())
        stores.save(fields=["privacy"])
        assert sent(server.calls[0]) == {"id": DATASET_ID, "privacy": "PRIVATE"}

    def test_the_server_may_give_another_name(self, stores, server):
        server.put(VIZ + DATASET_ID, json=dataset(name="my_shops_1"))
        stores.name = "My Shops"
        stores.save()
        assert stores.name == "my_shops_1"

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (403, '{"errors": ["Privacy is not included in the list"]}', CartoForbiddenException, "Privacy is not"),
        (403, "", CartoForbiddenException, "403"),
        (400, '{"errors": ["Name is bad", "Tags are bad"]}', CartoBadRequestException, "Name is bad; Tags are bad"),
        (400, '{"errors": null}', CartoBadRequestException, "400"),
        (404, '{"errors": "Visualization does not exist", "errors_cause": null}', CartoNotFoundException, "not exist"),
    ])
    def test_what_the_server_says_is_raised(self, stores, server, status, body, kind, text):
        server.put(VIZ + DATASET_ID, status=status, body=body)
        with pytest.raises(kind, match=text):
            stores.save()

    def test_sharing(self, stores, server):
        server.put(f"{ROOT}perm/{stores.permission.id}", json={"id": stores.permission.id})
        acl = [{"type": "user", "entity": {"id": "5b0d"}, "access": "r"}]
        stores.permission.acl = acl
        stores.permission.save()
        assert sent(server.calls[0]) == {"acl": acl}


class TestDeleting:
    def test_without_dependents(self, stores, server):
        server.get(VIZ + DATASET_ID, json=dataset())
        server.delete(VIZ + DATASET_ID, status=204)
        assert stores.delete() is None
        assert methods(server) == ["GET", "DELETE"]

    @pytest.mark.parametrize("known", [0, 2, None])
    def test_D48_with_dependents_it_is_refused_and_they_are_named(self, stores, server, known):
        stores.dependent_visualizations_count = known
        server.get(VIZ + DATASET_ID, json=dataset(
            dependent_visualizations=[{"id": MAP_ID, "name": "my map"}, {"id": "2", "name": "other"}],
            dependent_visualizations_count=5))
        with pytest.raises(CartoUsageException, match="depend on it: my map, other, 3 more; force_delete"):
            stores.delete()
        assert query(server.calls[0])["with_dependent_visualizations"] == "100"
        assert methods(server) == ["GET"]
        assert [each.client for each in stores.dependent_visualizations] == [stores.client] * 2

    def test_what_was_changed_before_a_refused_deletion_is_saved_after_it(self, stores, server):
        server.get(VIZ + DATASET_ID, json=dataset(dependent_visualizations_count=1))
        server.put(VIZ + DATASET_ID, json=dataset())
        stores.description, stores.license = "new", None
        with pytest.raises(CartoUsageException, match="depend on it"):
            stores.delete()
        stores.save(fields=["description", "license"])
        assert sent(server.calls[1]) == {"id": DATASET_ID, "description": "new", "license": None}

    def test_by_force(self, stores, server):
        server.delete(VIZ + DATASET_ID, status=204)
        assert stores.force_delete() is None
        assert methods(server) == ["DELETE"]

    def test_one_without_an_id(self, auth_client, server):
        with pytest.raises(CartoUsageException, match="no id"):
            Dataset(auth_client).delete()

    def test_one_that_is_gone(self, stores, server):
        server.get(VIZ + DATASET_ID, status=404, json={"errors": "Visualization does not exist"})
        with pytest.raises(CartoNotFoundException):
            stores.delete()

    @pytest.mark.parametrize(("status", "body", "text"), [
        (403, '{"errors": "Visualization not editable", "errors_cause": null}', "not editable"), (403, "", "403")])
    def test_one_that_is_not_mine(self, stores, server, status, body, text):
        server.delete(VIZ + DATASET_ID, status=status, body=body)
        with pytest.raises(CartoForbiddenException, match=text):
            stores.force_delete()


class TestObjects:
    def test_D34_a_subclass_keeps_the_fields(self):
        class Mine(Dataset):
            pass

        assert Mine.fields == Dataset.fields

    def test_D37_null_is_none(self, auth_client):
        stores = Dataset(auth_client)
        stores.update_from_dict(dataset(permission=None, table=None, tags=None, dependent_visualizations=None))
        assert (stores.permission, stores.table, stores.tags, stores.dependent_visualizations) == (None,) * 4

    def test_D33_str_and_repr(self, stores, auth_client):
        assert str(stores) == "stores"
        assert repr(stores) == f"<Dataset id='{DATASET_ID}' name='stores'>"
        assert str(Dataset(auth_client)) == "<Dataset>"

    def test_D55_nested_objects_in_the_constructor(self, auth_client):
        assert Dataset(auth_client, table={"id": "t", "name": "stores"}).table.name == "stores"

    def test_the_fields_of_carto_python_are_there(self):
        names = """active_child active_layer_id attributions auth_tokens children created_at connector
            dependent_visualizations dependent_visualizations_count description display_name external_source id kind
            license liked likes locked map_id name next_id parent_id permission prev_id privacy source stats
            synchronization table tags title transition_options type updated_at url uses_builder_features user"""
        assert set(Dataset.fields) >= set(names.split())
