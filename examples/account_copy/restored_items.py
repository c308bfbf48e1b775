"""Restores maps, named maps, custom visualizations and synchronizations."""

from __future__ import annotations

import contextlib
from functools import cached_property

from account_copy.folder import Folder, Journal, Json
from account_copy.restored_tables import Database, describe
from account_copy.restorer import NotRestoredError, Restorer
from account_copy.source import PASSWORD, RESTORED_FIELDS
from carto.auth import APIKeyAuthClient
from carto.datasets import DatasetManager
from carto.exceptions import CartoJobException
from carto.file_import import FileImportJobManager
from carto.kuvizs import IF_EXISTS_REPLACE, KuvizManager
from carto.maps import NamedMapManager
from carto.permissions import PRIVATE
from carto.sync_tables import SyncTableJob, SyncTableJobManager
from carto.visualizations import VisualizationManager

_PAGE_SIZE = 1000
_GUESSING = ("type_guessing", "quoted_fields_guessing", "content_guessing")


class Maps(Restorer):
    """Restores maps from their .carto files. They show the tables of their names that the account has by then.

    Args:
        database: The account's database.
        folder: The saved account.
    """

    kind = "maps"

    def __init__(self, database: Database, folder: Folder) -> None:
        super().__init__(folder)
        self._database = database
        self._maps = VisualizationManager(database.client)

    @cached_property
    def _ids(self) -> dict[str, str]:
        """The maps by their names, after the tables were restored."""
        for job in FileImportJobManager(self._database.client).iterate():  # a run that was killed may have left one
            with contextlib.suppress(CartoJobException):
                job.wait()
        return {each.name: each.id for each in self._maps.iterate(page_size=_PAGE_SIZE)}

    def exists(self, entry: Json) -> bool:
        """Tell whether a map has the name."""
        return entry["name"] in self._ids

    def restore(self, entry: Json) -> str:
        """Import a map, in place of another of its name if there is one.

        Returns:
            What is not as it was.

        Raises:
            NotRestoredError: The import made no map, or a table of it is still to be restored.
        """
        self._check_tables(entry["tables"])
        saved = self.folder.read_json(entry)
        protected = saved["privacy"] == PASSWORD
        restored = self._maps.get(self._import(entry))
        if saved["name"] in self._ids:
            self._maps.get(self._ids[saved["name"]]).delete()
        describe(restored, {**saved, "privacy": PRIVATE} if protected else saved, ("name", *RESTORED_FIELDS))
        return "private now: its password is not known" if protected else ""

    def _check_tables(self, names: list[str]) -> None:
        """Refuse a map whose import would make a table that is in the folder, too."""
        saved = {entry["name"] for entry in self.folder.entries("tables").values()}
        missing = [name for name in names if name in saved and name not in self._database.relations]
        if missing:
            raise NotRestoredError(f"it shows {', '.join(missing)}, which is not restored yet")

    def _import(self, entry: Json) -> str:
        # what the file has of tables that exist is skipped
        job = FileImportJobManager(self._database.client).create(
            self.folder.file_of(entry, ".carto"), create_vis=True, collision_strategy="skip")
        job.wait()
        if job.derived_visualization_id is None:
            raise NotRestoredError("the server imported the .carto file, and made no map of it")
        return str(job.derived_visualization_id)


class NamedMaps(Restorer):
    """Restores the templates of named maps.

    Args:
        client: The account's client.
        folder: The saved account.
    """

    kind = "named_maps"

    def __init__(self, client: APIKeyAuthClient, folder: Folder) -> None:
        super().__init__(folder)
        self._named_maps = NamedMapManager(client)
        self._ids = {each.template_id for each in self._named_maps.all()}

    def exists(self, entry: Json) -> bool:
        """Tell whether there is a template of the name."""
        return entry["name"] in self._ids

    def restore(self, entry: Json) -> str:
        """Store a template."""
        self._named_maps.upsert(self.folder.read_json(entry))
        return ""


class Kuvizs(Restorer):
    """Restores custom visualizations: published pages.

    Args:
        client: The account's client.
        folder: The saved account.
    """

    kind = "kuvizs"

    def __init__(self, client: APIKeyAuthClient, folder: Folder) -> None:
        super().__init__(folder)
        self._kuvizs = KuvizManager(client)
        self._names = {each.name for each in self._kuvizs.all()}

    def exists(self, entry: Json) -> bool:
        """Tell whether a page has the name."""
        return entry["name"] in self._names

    def restore(self, entry: Json) -> str:
        """Publish a page.

        Returns:
            Where it is.

        Raises:
            NotRestoredError: The SDK publishes pages in UTF-8, and it is in another encoding.
        """
        try:
            html = self.folder.file_of(entry, ".html").read_bytes().decode()
        except UnicodeDecodeError as error:
            raise NotRestoredError(f"its page is not in UTF-8, so publish the file by other means: {error}") from None
        name = self.folder.read_json(entry)["name"]
        return str(self._kuvizs.create(html, name, if_exists=IF_EXISTS_REPLACE).url)


class Synchronizations(Restorer):
    """Restores synchronized tables by fetching them from their source again.

    Args:
        database: Where to.
        folder: The saved account.
        journal: Where it is noted that their tables are there.
    """

    kind = "synchronizations"

    def __init__(self, database: Database, folder: Folder, journal: Journal) -> None:
        super().__init__(folder)
        self._database = database
        self._journal = journal
        self._jobs = SyncTableJobManager(database.client)

    def exists(self, entry: Json) -> bool:
        """Tell whether something has the table's name."""
        return entry["name"] in self._database.relations

    def restore(self, entry: Json) -> str:
        """Start a synchronization, unless an earlier run has done so, and wait for its first rows.

        Returns:
            What became of its table.

        Raises:
            NotRestoredError: The folder does not have what is needed for that, or the name is taken.
        """
        saved = self.folder.read_json(entry)
        if saved["url"] is None:
            raise NotRestoredError("its source is a database, whose password is not in the folder: create it by hand")
        started = [each for each in self._jobs.all() if (each.url, each.name) == (saved["url"], saved["name"])]
        if not started and self.exists(entry):
            raise NotRestoredError("a synchronization makes a table of its own, and there is one of this name")
        job = started[0] if started else self._start(saved)
        job.wait()
        return "" if saved["name"] is None else self._adopt(saved["name"], job.name)

    def _start(self, saved: Json) -> SyncTableJob:
        guessing = {name: saved[name] for name in _GUESSING}
        return self._jobs.create(saved["url"], saved["interval"], table_name=saved["name"], **guessing)

    def _adopt(self, name: str, made: str) -> str:
        """Have the new table stand for the saved one, which is not loaded then."""
        dataset = DatasetManager(self._database.client).get(made)
        if made != name:
            dataset.name = name
            dataset.save(fields=["name"])
        entry = self.folder.entries("tables").get(name)
        if entry is None:
            return ""
        described = self.folder.read_json(entry)["dataset"]
        if described is not None:
            describe(dataset, described)
        self._database.note_table(name)
        self._journal.note("tables", name, "synchronized")
        return "its table has the rows that its source has now"
