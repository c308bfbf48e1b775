"""Saving an account and restoring it into another one, killed half way, and compared with what there was by SQL."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from carto.auth import APIKeyAuthClient
from carto.datasets import DatasetManager
from carto.kuvizs import KuvizManager
from carto.maps import NamedMapManager
from carto.sandbox import Sandbox
from carto.sql import Identifier, SQLClient
from carto.sync_tables import SyncTableJobManager
from carto.visualizations import VisualizationManager
from tests.conftest import started_or_skipped
from tests.examples import sample_account
from tests.examples.scripts import EXAMPLES, failure_of, printed_by, run_script, table_rows
from tests.sandbox.file_server import FileServer, file_server

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

Json = dict[str, Any]
KINDS = ("tables", "views", "maps", "named_maps", "kuvizs", "synchronizations")
LESS = "key for two tables"
NO_SQL = "key for maps"
WAIT_S = 120

#: What makes up the tables of an account, in ways that have nothing to do with those of the scripts.
CATALOGS = {
    "columns": """
        SELECT table_name, row_number() OVER (PARTITION BY table_name ORDER BY ordinal_position) AS place, column_name,
               data_type, udt_name, character_maximum_length, numeric_precision, numeric_scale, datetime_precision,
               is_nullable, column_default, collation_name, is_identity, identity_generation, is_generated,
               generation_expression
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2""",
    "geometries": """
        SELECT f_table_name, f_geometry_column, coord_dimension, srid, type FROM geometry_columns ORDER BY 1, 2""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    "constraints": """
        SELECT conrelid::regclass::text AS owner, conname, contype, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2""",
    "sequences": """
        SELECT sequencename, data_type::text, start_value::text, min_value::text, max_value::text, increment_by::text,
               cycle, cache_size::text,
               (SELECT refobjid::regclass || '.' || refobjsubid FROM pg_depend
                WHERE objid = format('%I', sequencename)::regclass AND deptype IN ('a', 'i')) AS owner
        FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1""",
    "comments": """
        SELECT c.relname, d.objsubid, d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid
        WHERE d.classoid = 'pg_class'::regclass AND c.relnamespace = 'public'::regnamespace ORDER BY 1, 2""",
    "views": """
        SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'
        UNION ALL SELECT matviewname, definition FROM pg_matviews ORDER BY 1""",
    "triggers": """
        SELECT tgrelid::regclass::text AS owner, tgname, pg_get_triggerdef(oid) AS definition
        FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2""",
    "public rights": """
        SELECT relname, has_table_privilege('publicuser', oid, 'SELECT') AS is_public FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm') ORDER BY 1""",
}
TABLES = """
    SELECT relname AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm') AND relname <> 'spatial_ref_sys' ORDER BY 1"""


@dataclass(frozen=True)
class Account:
    """An account of the sandbox, for scripts and for the test itself."""

    base_url: str
    api_key: str

    @property
    def variables(self) -> dict[str, str]:
        return self.with_key(self.api_key)

    def with_key(self, key: str) -> dict[str, str]:
        return {"CARTO_API_URL": self.base_url, "CARTO_API_KEY": key}

    @property
    def client(self) -> APIKeyAuthClient:
        return APIKeyAuthClient(self.base_url, self.api_key)

    def rows(self, query: str, **params: Any) -> list[Json]:
        with self.client as client:
            found: list[Json] = SQLClient(client).send(query, params=params or None)["rows"]
            return found


def _account(name: str) -> Json:
    return {"name": name, "keys": [
        {"type": "master", "token": f"{name}_master_key"},
        {"type": "regular", "name": LESS, "token": f"{name}_less",
         "tables": {"parents": ["select"], "points": ["select"]}},
        {"type": "regular", "name": NO_SQL, "token": f"{name}_no_sql", "sql": False}]}


@pytest.fixture(scope="module")
def accounts() -> Iterator[dict[str, Account]]:
    """Serve an account to be moved, one to move it to, and small ones for the rest."""
    names = ("old", "new", "small", "empty", "odd", "odd-copy")
    with started_or_skipped(Sandbox(accounts=[_account(name) for name in names])) as running:
        yield {name: Account(found.base_url, found.api_key) for name, found in running.accounts.items()}


@pytest.fixture(scope="module")
def files() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


@pytest.fixture(scope="module")
def old(accounts: dict[str, Account], files: FileServer) -> Account:
    with accounts["old"].client as client:
        sample_account.fill(client, files.serve("/synchronized.csv", b"id,name\n1,one\n2,two\n"))
    return accounts["old"]


@dataclass(frozen=True)
class Saved:
    """A folder that was saved in two runs, the first of which was killed.

    Attributes:
        killed: The manifest that the first run left.
        printed: What the second one printed.
    """

    folder: Path
    killed: Json
    printed: str


@pytest.fixture(scope="module")
def saved(old: Account, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("copies") / "old account"
    half = (sample_account.TABLE_COUNT + sample_account.MAP_COUNT) // 2
    manifest = folder / "manifest.json"
    _run_and_kill("export_account.py", folder, old, lambda: len(_items(_read(manifest))) >= half)
    killed = _read(manifest)
    assert half <= len(_items(killed)) < sample_account.TABLE_COUNT + sample_account.MAP_COUNT
    return Saved(folder, killed, printed_by("export_account.py", folder, environment=old.variables))


@dataclass(frozen=True)
class Restored:
    """What three runs of the restoring script did, of which two were killed: among the tables, and among the maps.

    Attributes:
        killed: How far they had come with each item.
        printed: What the last one printed.
    """

    account: Account
    killed: dict[str, str]
    printed: str


@pytest.fixture(scope="module")
def restored(saved: Saved, accounts: dict[str, Account]) -> Restored:
    new = accounts["new"]
    half = (sample_account.TABLE_COUNT + sample_account.MAP_COUNT) // 2
    _run_and_kill("restore_account.py", saved.folder, new, lambda: len(_journal(saved.folder)) >= half)
    _run_and_kill("restore_account.py", saved.folder, new,
                  lambda: sum(item.startswith("maps/") for item in _journal(saved.folder)) == 3)
    killed = _journal(saved.folder)
    return Restored(new, killed, printed_by("restore_account.py", saved.folder, environment=new.variables))


def _run_and_kill(script: str, folder: Path, account: Account, is_half: Callable[[], bool]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARTO_")}
    with subprocess.Popen([sys.executable, str(EXAMPLES / script), str(folder)], stdout=subprocess.DEVNULL,
                          env=environment | account.variables) as running:
        deadline = time.monotonic() + WAIT_S
        while not is_half():
            assert running.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "it does not get half way"
            time.sleep(0.005)
        running.kill()
    assert running.returncode == -signal.SIGKILL


def _read(path: Path) -> Json:
    document: Json = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return document


def _items(manifest: Json) -> dict[tuple[str, str], Json]:
    return {(kind, name): entry for kind, entries in manifest.get("items", {}).items()
            for name, entry in entries.items()}


def _journal(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in folder.glob("restored-*.json"):
        found |= {item: noted["state"] for item, noted in _read(path)["items"].items()}
    return found


def _whats(printed: str) -> dict[tuple[str, str], str]:
    """Read what became of each item from the table at the end."""
    return {(row["kind"], row["name"]): row[""] for row in table_rows(printed)}


def _check_files(folder: Path, manifest: Json) -> None:
    for entry in _items(manifest).values():
        for name, noted in entry["files"].items():
            content = (folder / name).read_bytes()
            assert noted == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}, name


def _rows_as_text(account: Account, table: str) -> list[Json]:
    query = 'SELECT t::text AS row FROM %(table)s AS t ORDER BY t::text COLLATE "C"'
    return account.rows(query, table=Identifier(table))


class TestSaving:
    def test_a_killed_run_leaves_only_what_is_complete(self, saved: Saved) -> None:
        whats = _whats(saved.printed)
        assert {item for item, what in whats.items() if what == "kept"} == set(_items(saved.killed))
        assert set(whats.values()) == {"kept", "saved", "left out"}
        assert list(saved.folder.rglob("*.part")) == []

    def test_everything_is_in_the_manifest(self, saved: Saved, old: Account) -> None:
        manifest = _read(saved.folder / "manifest.json")
        _check_files(saved.folder, manifest)
        assert manifest["base_url"] == old.base_url
        assert manifest["server"]["postgresql"] == old.rows("SHOW server_version")[0]["server_version"]
        counts = {kind: len(manifest["items"][kind]) for kind in KINDS}
        assert counts == {"tables": sample_account.TABLE_COUNT, "views": len(sample_account.VIEWS),
                          "maps": sample_account.MAP_COUNT, "named_maps": len(sample_account.NAMED_MAPS),
                          "kuvizs": len(sample_account.PAGES), "synchronizations": 1}
        for name, entry in manifest["items"]["tables"].items():
            assert entry["rows"] == old.rows("SELECT count(*) AS n FROM %(table)s", table=Identifier(name))[0]["n"]

    def test_what_is_left_out_is_told(self, saved: Saved) -> None:
        assert _read(saved.folder / "manifest.json")["left_out"] == [
            {"kind": "kuvizs", "name": sample_account.PROTECTED_PAGE,
             "reason": "its page is shown to those who know its password only"}]
        assert _whats(saved.printed)["kuvizs", sample_account.PROTECTED_PAGE] == "left out"

    def test_the_folder_is_private_and_has_no_key(self, saved: Saved, old: Account) -> None:
        assert saved.folder.stat().st_mode & 0o077 == 0
        for path in saved.folder.rglob("*"):
            assert not path.is_file() or old.api_key.encode() not in path.read_bytes(), path


class TestRestoring:
    def test_a_killed_run_is_gone_on_with(self, restored: Restored) -> None:
        whats = _whats(restored.printed)
        assert [state for item, state in restored.killed.items() if item.startswith("maps/")] == [
            "done", "done", "begun"]
        finished = {tuple(item.split("/", 1)) for item, state in restored.killed.items() if state == "done"}
        assert finished == {item for item, what in whats.items() if what == "restored before"}
        assert set(whats.values()) == {"restored before", "restored", "left out"}

    def test_all_rows_are_there(self, old: Account, restored: Restored) -> None:
        names = [row["name"] for row in old.rows(TABLES)]
        assert len(names) == sample_account.TABLE_COUNT + 1  # and a materialized view
        assert names == [row["name"] for row in restored.account.rows(TABLES)]
        for name in [*names, *sample_account.VIEWS]:
            assert _rows_as_text(restored.account, name) == _rows_as_text(old, name), name

    @pytest.mark.parametrize("catalog", CATALOGS)
    def test_tables_are_defined_as_they_were(self, catalog: str, old: Account, restored: Restored) -> None:
        expected = old.rows(CATALOGS[catalog])
        assert len(expected) > 2
        assert restored.account.rows(CATALOGS[catalog]) == expected

    def test_sequences_go_on_where_they_were(self, old: Account, restored: Restored) -> None:
        query = """
            SELECT sequencename, nextval(format('%I', sequencename)::regclass)::text AS next
            FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"""
        expected = old.rows(query)
        assert {"sequencename": "tickets", "next": "35"} in expected
        assert restored.account.rows(query) == expected

    def test_datasets_are_described_as_they_were(self, old: Account, restored: Restored) -> None:
        expected = self._datasets(old)
        assert len(expected) == len(sample_account.SHAPES) + 1
        assert self._datasets(restored.account) == expected

    def test_maps_show_the_restored_tables(self, old: Account, restored: Restored) -> None:
        expected = self._maps(old)
        assert len(expected) == sample_account.MAP_COUNT
        protected = [name for name, shown in expected.items() if shown["privacy"] == "PASSWORD"]
        for name in protected:
            expected[name]["privacy"] = "PRIVATE"
        assert self._maps(restored.account) == expected
        notes = {row["name"]: row["note"] for row in table_rows(restored.printed) if row["kind"] == "maps"}
        assert [notes[name] for name in protected] == ["private now: its password is not known"]

    def test_named_maps_are_stored(self, restored: Restored, old: Account) -> None:
        expected = self._templates(old)
        assert sorted(expected) == sorted(str(template["name"]) for template in sample_account.NAMED_MAPS)
        assert self._templates(restored.account) == expected

    def test_pages_are_published(self, restored: Restored) -> None:
        with restored.account.client as client:
            pages = {each.name: requests.get(each.url, timeout=30).content.decode()
                     for each in KuvizManager(client).all()}
        assert pages == sample_account.PAGES

    def test_synchronizations_are_not_started_unasked(self, restored: Restored) -> None:
        with restored.account.client as client:
            assert SyncTableJobManager(client).all() == []

    @staticmethod
    def _datasets(account: Account) -> Json:
        names = ("display_name", "description", "tags", "license", "attributions", "privacy", "locked")
        with account.client as client:
            return {each.name: {name: getattr(each, name) for name in names} for each in DatasetManager(client).all()}

    @staticmethod
    def _maps(account: Account) -> Json:
        names = ("description", "tags", "privacy")
        with account.client as client:
            maps = VisualizationManager(client)
            return {each.name: {**{name: getattr(each, name) for name in names},
                                "tables": [table.name for table in maps.get(each.id).related_tables]}
                    for each in maps.all()}

    @staticmethod
    def _templates(account: Account) -> Json:
        with account.client as client:
            maps = NamedMapManager(client)
            found = [maps.get(each.template_id) for each in maps.all()]
            return {each.name: (each.auth, each.placeholders, each.layergroup, each.view) for each in found}


@pytest.fixture(scope="module")
def small(accounts: dict[str, Account], files: FileServer) -> Account:
    with accounts["small"].client as client:
        sample_account.fill_small(client, files.serve("/stores.csv", b"id,name\n1,one\n"))
    return accounts["small"]


@pytest.fixture(scope="module")
def small_folder(small: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the small account."""
    folder = tmp_path_factory.mktemp("copies") / "small"
    printed_by("export_account.py", folder, environment=small.variables)
    return folder


class TestLesserKeys:
    def test_a_key_for_two_tables(self, small: Account, tmp_path: Path) -> None:
        printed = printed_by("export_account.py", tmp_path / "f", environment=small.with_key("small_less"))
        manifest = _read(tmp_path / "f" / "manifest.json")
        assert sorted(_items(manifest)) == [("tables", "parents"), ("tables", "points")]
        _check_files(tmp_path / "f", manifest)
        left_out = {(each["kind"], each["name"]): each["reason"] for each in manifest["left_out"]}
        whole_kinds = {("maps", None), ("named_maps", None), ("kuvizs", None), ("synchronizations", None)}
        relations = {("tables", "children"), ("tables", "no_rows"), ("tables", "synchronized"),
                     ("views", "nice_points")}
        assert set(left_out) == whole_kinds | relations | {("tables", None)}
        assert {left_out[each] for each in relations} == {"the key may not read it"}
        assert [row["note"] for row in table_rows(printed)][2:] == list(left_out.values())

    def test_a_key_without_sql(self, small: Account, tmp_path: Path) -> None:
        printed = printed_by("export_account.py", tmp_path / "f", environment=small.with_key("small_no_sql"))
        assert set(_whats(printed).values()) == {"left out"}
        assert _items(_read(tmp_path / "f" / "manifest.json")) == {}

    def test_an_unknown_key(self, small: Account, tmp_path: Path) -> None:
        said = failure_of("export_account.py", tmp_path / "f", environment=small.with_key("unknown"))
        assert said == "Unauthorized (check the API key and what it may do)"


class TestSavingAgain:
    def test_what_has_not_changed_is_kept(self, small: Account, small_folder: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(small_folder, tmp_path / "f")
        small.rows("INSERT INTO points (name) VALUES ('late')")
        assert set(_whats(printed_by("export_account.py", folder, environment=small.variables)).values()) == {"kept"}
        printed = printed_by("export_account.py", folder, "--refresh", environment=small.variables)
        small.rows("DELETE FROM points WHERE name = 'late'")
        whats = _whats(printed)
        assert whats["tables", "points"] == "saved"
        assert {item for item, what in whats.items() if what == "kept"} == {
            ("tables", "synchronized"), ("views", "nice_points"), ("maps", "Points"), ("kuvizs", "A page")}
        assert _read(folder / "manifest.json")["items"]["tables"]["points"]["rows"] == 8

    def test_damaged_and_missing_files_are_saved_again(self, small: Account, small_folder: Path,
                                                       tmp_path: Path) -> None:
        folder = shutil.copytree(small_folder, tmp_path / "f")
        (folder / "tables" / "points.json").unlink()
        _damage(folder / "tables" / "parents.copy.gz")
        whats = _whats(printed_by("export_account.py", folder, environment=small.variables))
        again = {item for item, what in whats.items() if what == "saved"}
        assert again == {("tables", "points"), ("tables", "parents")}
        _check_files(folder, _read(folder / "manifest.json"))

    def test_a_folder_belongs_to_one_account(self, accounts: dict[str, Account], small_folder: Path) -> None:
        said = failure_of("export_account.py", small_folder, environment=accounts["empty"].variables)
        assert said.endswith(f"holds {accounts['small'].base_url}: take another folder")

    def test_files_of_others_are_left_alone(self, small: Account, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        said = failure_of("export_account.py", tmp_path, environment=small.variables)
        assert said == f"{tmp_path} is not empty, and has no manifest.json: take another folder"


def _damage(path: Path) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def folder(small_folder: Path) -> Path:
    """Copy what was saved, to be restored time and again."""
    return shutil.copytree(small_folder, small_folder.with_name("again"))


class TestRestoringAgain:
    """One after the other into the same account."""

    def test_damaged_files_are_not_loaded(self, folder: Path, small: Account, accounts: dict[str, Account]) -> None:
        rows, definition = folder / "tables" / "points.copy.gz", folder / "views" / "nice_points.json"
        whole = {path: path.read_bytes() for path in (rows, definition)}
        for path in whole:
            _damage(path)
        done = run_script("restore_account.py", folder, environment=accounts["empty"].variables)
        assert done.returncode == 1
        notes = {(row["kind"], row["name"]): row["note"] for row in table_rows(done.stdout) if row[""] == "damaged"}
        said = "is damaged: its size or checksum is not that of the manifest"
        assert notes == {("tables", "points"): f"tables/points.copy.gz {said}",
                         ("views", "nice_points"): f"views/nice_points.json {said}"}
        (left,) = [row["note"] for row in table_rows(done.stdout) if row[""] == "failed"]
        assert left == "it shows points, which is not restored yet"
        for path, content in whole.items():
            path.write_bytes(content)
        whats = _whats(printed_by("restore_account.py", folder, environment=accounts["empty"].variables))
        assert {item for item, what in whats.items() if what == "restored"} == {*notes, ("maps", "Points")}
        assert _rows_as_text(accounts["empty"], "points") == _rows_as_text(small, "points")

    def test_what_cannot_be_restored_stays_as_it_is(self, folder: Path, accounts: dict[str, Account],
                                                    tmp_path: Path) -> None:
        empty = accounts["empty"]
        run_script("restore_account.py", folder, environment=empty.variables)
        broken = shutil.copytree(folder, tmp_path / "f")
        _forget(broken)
        _damage(broken / "views" / "nice_points.json")
        _damage(broken / "tables" / "children.json")
        query = "SELECT pg_get_viewdef('nice_points'::regclass) AS view, pg_get_constraintdef(oid) AS key " \
                "FROM pg_constraint WHERE conrelid = 'children'::regclass AND contype = 'f'"
        before = empty.rows(query)
        done = run_script("restore_account.py", broken, "--overwrite", environment=empty.variables)
        assert {item for item, what in _whats(done.stdout).items() if what == "damaged"} >= {
            ("tables", "children"), ("views", "nice_points")}
        assert empty.rows(query) == before != []

    def test_nothing_is_replaced_unasked(self, folder: Path, accounts: dict[str, Account]) -> None:
        accounts["empty"].rows("UPDATE parents SET code = code || ' changed'; DELETE FROM children")
        _forget(folder)
        done = run_script("restore_account.py", folder, environment=accounts["empty"].variables)
        assert done.returncode == 1
        assert "--overwrite" in done.stderr
        whats = _whats(done.stdout)
        assert {what for (kind, _), what in whats.items() if kind != "foreign_keys"} == {"exists", "left out"}
        assert [row["code"] for row in accounts["empty"].rows("SELECT code FROM parents WHERE id = 1")] == [
            "code 1 changed"]

    def test_overwriting(self, folder: Path, small: Account, accounts: dict[str, Account]) -> None:
        _forget(folder)
        printed = printed_by("restore_account.py", folder, "--overwrite", environment=accounts["empty"].variables)
        assert set(_whats(printed).values()) == {"restored", "left out"}
        for table in ("points", "parents", "children", "nice_points"):
            assert _rows_as_text(accounts["empty"], table) == _rows_as_text(small, table)
        for catalog in ("constraints", "views"):
            assert accounts["empty"].rows(CATALOGS[catalog]) == small.rows(CATALOGS[catalog])
        with accounts["empty"].client as client:
            assert [each.name for each in VisualizationManager(client).all()] == ["Points"]

    def test_synchronizations(self, folder: Path, files: FileServer, accounts: dict[str, Account]) -> None:
        empty = accounts["empty"]
        url = files.serve("/stores.csv", b"id,name\n1,one\n2,new\n")
        empty.rows("DROP TABLE synchronized")
        _forget(folder)
        done = run_script("restore_account.py", folder, "--synchronizations", environment=empty.variables)
        whats = _whats(done.stdout)
        assert whats["synchronizations", "synchronized"] == "restored"
        assert whats["tables", "synchronized"] == "synchronized"
        assert [row["name"] for row in empty.rows("SELECT name FROM synchronized ORDER BY id")] == ["one", "new"]
        _interrupt(folder, "synchronizations/synchronized")
        again = run_script("restore_account.py", folder, "--synchronizations", environment=empty.variables)
        assert _whats(again.stdout)["synchronizations", "synchronized"] == "restored"
        with empty.client as client:
            (job,) = SyncTableJobManager(client).all()
            assert (job.url, job.interval, job.name) == (url, 3600, "synchronized")

    def test_rows_that_arrive_changed(self, folder: Path, accounts: dict[str, Account]) -> None:
        """Stands for a server that does not store what it was sent: the manifest has another checksum."""
        manifest = _read(folder / "manifest.json")
        manifest["items"]["tables"]["parents"]["rows_checksum"] = "0" * 64
        (folder / "manifest.json").write_text(json.dumps(manifest))
        accounts["empty"].rows("TRUNCATE parents, children")
        _forget(folder, "tables/parents")
        done = run_script("restore_account.py", folder, "--overwrite", environment=accounts["empty"].variables)
        notes = {row["name"]: row["note"] for row in table_rows(done.stdout) if row["kind"] == "tables"}
        assert notes["parents"] == "the rows in the database have another checksum than those that were saved"
        assert _rows_as_text(accounts["empty"], "parents") == []  # what was there is not replaced by it

    def test_a_folder_of_something_else(self, tmp_path: Path, accounts: dict[str, Account]) -> None:
        said = failure_of("restore_account.py", tmp_path, environment=accounts["empty"].variables)
        assert said == f"{tmp_path} has no manifest.json: it is no folder of export_account.py"


def _interrupt(folder: Path, item: str) -> None:
    """Have the journal look as if a run had been killed while it restored an item."""
    for path in folder.glob("restored-*.json"):
        document = _read(path)
        document["items"][item]["state"] = "begun"
        path.write_text(json.dumps(document))


def _forget(folder: Path, *items: str) -> None:
    """Have the next run restore some items anew, or everything."""
    for path in folder.glob("restored-*.json"):
        document = _read(path)
        kept = document["items"].items() if items else ()
        document["items"] = {item: noted for item, noted in kept if item not in items}
        path.write_text(json.dumps(document))


class TestGeoPackage:
    def test_there_and_back(self, small: Account, small_folder: Path, accounts: dict[str, Account],
                            tmp_path: Path) -> None:
        """Into an account with a map over a table of that name, and without the other table."""
        folder = tmp_path / "f"
        printed_by("export_account.py", folder, "--format", "gpkg", environment=small.with_key("small_less"))
        with contextlib.closing(sqlite3.connect(folder / "tables" / "points.gpkg")) as database:
            ((layer,),) = database.execute("SELECT table_name FROM gpkg_contents").fetchall()
            assert database.execute(f'SELECT count(*) FROM "{layer}"').fetchone() == (7,)
        empty = accounts["empty"]
        whole = shutil.copytree(small_folder, tmp_path / "whole")
        printed_by("restore_account.py", whole, "--overwrite", environment=empty.variables)
        empty.rows("UPDATE points SET name = 'changed'; DROP TABLE parents CASCADE; DROP VIEW nice_points")
        assert set(_whats(printed_by("restore_account.py", folder, "--overwrite", environment=empty.variables))) == {
            ("tables", "points"), ("tables", "parents")}
        for query in ("SELECT cartodb_id, name, value, ST_AsEWKT(the_geom) AS shape FROM points ORDER BY 1",
                      "SELECT id, code FROM parents ORDER BY 1"):
            assert empty.rows(query) == small.rows(query)
        with empty.client as client:
            (shown,) = VisualizationManager(client).all()
            assert [table.name for table in VisualizationManager(client).get(shown.id).related_tables] == ["points"]


ODD_TABLES = ("other.b", "x/y", "..", 'q"x', "it's; DROP TABLE cities", "%s", "new\nline")
ODD_PAGE = "<html>é\r\nß</html>"


@pytest.fixture(scope="module")
def odd_folder(accounts: dict[str, Account], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save tables of which two differ by their schemas alone, and pages of which one is not in UTF-8."""
    odd = accounts["odd"]
    odd.rows("CREATE SCHEMA other; CREATE TABLE other.b AS SELECT 0 AS number")
    for number, name in enumerate(ODD_TABLES, 1):
        odd.rows("CREATE TABLE %(name)s AS SELECT %(number)s::int AS number", name=Identifier(name), number=number)
    with odd.client as client:
        KuvizManager(client).create(ODD_PAGE, "Lines")
        latin = {"name": "Latin", "data": base64.b64encode("<html>é</html>".encode("latin-1")).decode()}
        assert client.send("api/v4/kuviz", "post", params={"api_key": odd.api_key}, json=latin).status_code == 200
    folder = tmp_path_factory.mktemp("copies") / "odd"
    printed_by("export_account.py", folder, environment=odd.variables)
    return folder


class TestOddNamesAndPages:
    """What other names and pages could be taken for."""

    def test_all_are_saved(self, odd_folder: Path) -> None:
        manifest = _read(odd_folder / "manifest.json")
        _check_files(odd_folder, manifest)
        assert len(manifest["items"]["tables"]) == 1 + len(ODD_TABLES)

    def test_all_but_a_page_in_latin_1_are_restored(self, odd_folder: Path, accounts: dict[str, Account]) -> None:
        copy = accounts["odd-copy"]
        failure_of("restore_account.py", odd_folder, environment=copy.variables)
        assert set(_journal(odd_folder).values()) == {"done", "begun"}
        assert [item for item, state in _journal(odd_folder).items() if state == "begun"] == ["kuvizs/Latin"]
        for number, name in [(0, "b"), *enumerate(ODD_TABLES, 1)]:
            assert copy.rows("SELECT number FROM %(name)s", name=Identifier(name)) == [{"number": number}]
        with copy.client as client:
            (page,) = KuvizManager(client).all()
        assert requests.get(page.url, timeout=30).content == ODD_PAGE.encode()


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what the scripts share be imported as the scripts do."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.mark.usefixtures("importable")
def test_long_statements_run_as_batch_jobs() -> None:
    from account_copy.restored_tables import Database

    url = "https://example.com/user/me/api/v2/sql"
    job = {"job_id": "j1", "user": "me", "query": "CREATE", "status": "pending"}
    too_long = {"error": ["You are over platform's limits: SQL query timeout error."], "context": "limit",
                "detail": "datasource"}
    with responses.RequestsMock() as server, APIKeyAuthClient("https://example.com/user/me/", "k") as client:
        server.post(url, json={"rows": [{"schema": "public"}]})
        server.post(url, json={"rows": []})
        server.post(url, json=too_long, status=429)
        server.post(f"{url}/job/", json=job, status=201)
        server.get(f"{url}/job/j1", json={**job, "status": "done"})
        Database(client).run("CREATE INDEX long ON points (name)")
        assert json.loads(server.calls[3].request.body or "") == {"query": "CREATE INDEX long ON points (name)"}


@pytest.mark.usefixtures("importable")
class TestChecksumOfRows:
    """The checksum of rows, taken while they come in pieces of any size."""

    @staticmethod
    def _digest(types: list[str], *pieces: bytes) -> tuple[int, str]:
        from account_copy.rows import RowsDigest

        digest = RowsDigest({"columns": [{"type": each, "generated": False} for each in types]})
        for piece in pieces:
            digest.feed(piece)
        return digest.rows, digest.checksum

    def test_pieces_make_no_difference(self) -> None:
        data = b"1\tone\n2\ttwo\n\n"
        whole = self._digest(["integer", "text"], data)
        assert whole[0] == 3
        assert self._digest(["integer", "text"], *(data[n:n + 1] for n in range(len(data)))) == whole

    def test_the_order_makes_no_difference_but_every_row_does(self) -> None:
        first = self._digest(["text"], b"a\nb\nb\n")
        assert self._digest(["text"], b"b\na\nb\n") == first
        assert self._digest(["text"], b"a\nb\na\n")[1] != first[1]
        assert self._digest(["text"], b"a\nb\n")[1] != first[1]

    def test_numbers_are_compared_as_numbers(self) -> None:
        types = ["double precision", "text", "real[]"]
        old = self._digest(types, b"0.10000000000000001\t0.1\t{0.100000001,NULL,NaN}\n\\N\tx\t{}\n")
        new = self._digest(types, b"0.1\t0.1\t{0.1,NULL,NaN}\n\\N\tx\t{}\n")
        assert old == new
        assert self._digest(types, b"0.1\t0.10\t{0.1,NULL,NaN}\n\\N\tx\t{}\n")[1] != new[1]
        assert self._digest(types, b"0.1\t0.1\t{0.2,NULL,NaN}\n\\N\tx\t{}\n")[1] != new[1]
