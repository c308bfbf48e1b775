"""Restores tables, what ties them together, and views."""

from __future__ import annotations

import time
from collections.abc import Sequence

from terminal import progress_shown

from account_copy import rows, statements
from account_copy.catalog import Relation, relations, server_of
from account_copy.folder import Folder, Journal, Json
from account_copy.restorer import NotRestoredError, Restorer
from account_copy.source import RESTORED_FIELDS
from carto.auth import APIKeyAuthClient
from carto.datasets import Dataset, DatasetManager
from carto.exceptions import CartoQueryTimeoutException
from carto.sql import BatchSQLClient, CopySQLClient, Identifier, SQLClient
from carto.visualizations import Visualization

#: Hosted accounts take some seconds to notice a table that was made by SQL.
_DATASET_TIMEOUT_S = 60
_DATASET_INTERVAL_S = 1.5
#: From this size on (bytes, compressed), the rows of a table have a bar of their own.
_LARGE = 10 << 20


class Database:
    """The database of the account that is restored into.

    Args:
        client: The account's client, with the master key.

    Attributes:
        schema: Where the account's tables are.
        relations: Its tables and views, by their names.
    """

    def __init__(self, client: APIKeyAuthClient) -> None:
        self.client = client
        self.sql = SQLClient(client)
        self.copy = CopySQLClient(client)
        self.schema: str = server_of(self.sql)["schema"]
        self.relations = {each.name: each for each in relations(self.sql) if each.schema == self.schema}

    def identifier(self, name: str) -> Identifier:
        """Give the name of one of its tables for SQL."""
        return Identifier(self.schema, name)

    def note_table(self, name: str) -> None:
        """Note that there is a table of this name now."""
        self.relations[name] = Relation(self.schema, name, "r", readable=True, size=0)

    def run(self, statement: str) -> None:
        """Run statements as one transaction, as a batch job when they take longer than a query may."""
        try:
            self.sql.send(statement)
        except CartoQueryTimeoutException:
            BatchSQLClient(self.client).create_and_wait_for_completion(statement)

    def make_way(self, folder: Folder, journal: Journal) -> None:
        """Drop the views and foreign keys that would keep tables from being replaced, if they can be restored later."""
        drops = []
        for name, entry in reversed(folder.entries("views").items()):
            found = self.relations.get(entry["name"])
            if found is not None and found.is_view and folder.problem_with(entry) is None:
                drops.append(f"DROP {statements.kind_of_view(found.kind)} IF EXISTS {self.identifier(found.name)}")
                journal.note("views", name, "begun")
        for name, entry in folder.entries("tables").items():
            found = self.relations.get(entry["name"])
            is_tied = found is not None and not found.is_view and entry["foreign_keys"]
            if is_tied and folder.problem_with(entry) is None:
                drops.append(statements.untying(folder.read_json(entry)["definition"], self.identifier(entry["name"])))
                journal.note("foreign_keys", name, "begun")
        if drops:
            self.run(";\n".join(drops))


class DatabaseRestorer(Restorer):
    """Restores what is in the database.

    Args:
        database: Where to.
        folder: The saved account.
    """

    def __init__(self, database: Database, folder: Folder) -> None:
        super().__init__(folder)
        self._database = database

    def exists(self, entry: Json) -> bool:
        """Tell whether a table or view has the item's name."""
        return entry["name"] in self._database.relations


class Tables(DatabaseRestorer):
    """Restores tables, with their rows and what the account keeps about them."""

    kind = "tables"

    def __init__(self, database: Database, folder: Folder) -> None:
        super().__init__(database, folder)
        self._datasets = DatasetManager(database.client)

    def restore(self, entry: Json) -> str:
        """Fill a table, compare it with what was saved, and only then give it its name.

        Returns:
            What is not as it was.

        Raises:
            NotRestoredError: The rows in the database are not those that were saved.
        """
        saved = self.folder.read_json(entry)
        if entry["format"] == "gpkg" and entry["rows"]:  # one without rows can't be imported
            note = self._import_geopackage(entry, saved["definition"])
        else:
            note = self._load(entry, saved["definition"])
        self._database.note_table(saved["definition"]["name"])
        if saved["dataset"] is not None:
            describe(self._dataset(saved["definition"]["name"]), saved["dataset"])
        return note

    def _load(self, entry: Json, definition: Json) -> str:
        database = self._database
        target = database.identifier(definition["name"])
        filled = database.identifier(statements.temporary_name(definition["name"]))
        database.sql.send(statements.creation(definition, filled))
        if entry["rows"]:  # the server takes a COPY without rows for a mistake
            self._load_rows(entry, definition, filled)
        database.run(statements.completion(
            definition, filled, target, replace=definition["name"] in database.relations))
        triggers = len(definition["triggers"] or ())
        return f"without its {triggers} own triggers" if triggers else ""

    def _load_rows(self, entry: Json, definition: Json, filled: Identifier) -> None:
        path = self.folder.file_of(entry, ".copy.gz")
        progress = progress_shown() and path.stat().st_size >= _LARGE
        rows.load_rows(self._database.copy, path, filled, progress)
        loaded = rows.digest_of(self._database.copy, definition, filled, progress)
        _compare(entry["rows"], loaded.rows)
        if loaded.checksum != entry["rows_checksum"]:
            raise NotRestoredError("the rows in the database have another checksum than those that were saved")

    def _import_geopackage(self, entry: Json, definition: Json) -> str:
        """Import the rows under a name that is free, and copy them from there into the table."""
        imported = self._database.identifier(self._datasets.create(self.folder.file_of(entry, ".gpkg")).name)
        counted = self._database.sql.send(f"SELECT count(*) AS rows FROM {imported}")["rows"][0]["rows"]  # noqa: S608
        _compare(entry["rows"], counted)
        target = self._database.identifier(definition["name"])
        if imported != target:
            # one that is merely renamed would be another dataset than the one of its name, which maps show
            self._database.run(statements.copy(definition, imported, target))
        return "with the types that GeoPackage has, without indexes, constraints and the like"

    def _dataset(self, name: str) -> Dataset:
        """Find the dataset of a table that has just been made; listing datasets is what makes servers look for it."""
        deadline = time.monotonic() + _DATASET_TIMEOUT_S
        while True:
            for each in self._datasets.iterate(q=name):
                if each.name == name:
                    return each
            if time.monotonic() > deadline:
                raise NotRestoredError("the table is there, but the account does not show it as a dataset: its "
                                       "privacy, description and the like are not restored")
            time.sleep(_DATASET_INTERVAL_S)


class ForeignKeys(DatabaseRestorer):
    """Ties restored tables together, when all of them are there."""

    kind = "foreign_keys"
    has_files = False

    def entries(self) -> list[tuple[str, Json]]:
        """List the tables that have any, and whose keys they refer to."""
        return [(name, entry) for name, entry in self.folder.entries(Tables.kind).items()
                if entry["format"] == "copy" and entry["foreign_keys"]]

    def exists(self, entry: Json) -> bool:  # they are made anew in any case
        """Tell that nothing is in the way."""
        return False

    def restore(self, entry: Json) -> str:
        """Add the foreign keys of a table."""
        definition = self.folder.read_json(entry)["definition"]
        self._database.run(statements.tying(definition, self._database.identifier(entry["name"])))
        return ""


class Views(DatabaseRestorer):
    """Restores views, which need their tables."""

    kind = "views"

    def restore(self, entry: Json) -> str:
        """Make a view."""
        definition = self.folder.read_json(entry)["definition"]
        name = definition["name"]
        self._database.run(statements.view(
            definition, self._database.identifier(name), replace=name in self._database.relations))
        return ""


def describe(resource: Dataset | Visualization, saved: Json, fields: Sequence[str] = RESTORED_FIELDS) -> None:
    """Put back what the account kept about a dataset or a map."""
    changed = [name for name in fields if (getattr(resource, name) or None) != (saved[name] or None)]
    for name in changed:
        setattr(resource, name, saved[name])
    if changed:
        resource.save(fields=changed)


def _compare(saved: int, counted: int) -> None:
    if saved != counted:
        raise NotRestoredError(f"there are {counted:,} rows in the database, but {saved:,} were saved")
