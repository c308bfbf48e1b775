"""Lists what there is to save in an account, and writes each item of it into the folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from terminal import progress_shown

from account_copy import rows
from account_copy.catalog import Relation, definition_of, relations, server_of
from account_copy.folder import Draft, Folder
from account_copy.statements import foreign_keys
from carto.auth import APIKeyAuthClient
from carto.datasets import DatasetManager
from carto.exceptions import (
    CartoForbiddenException,
    CartoNotFoundException,
    CartoUnauthorizedException,
)
from carto.file_import import FileImportJobManager
from carto.kuvizs import Kuviz, KuvizManager
from carto.maps import NamedMap, NamedMapManager
from carto.sql import CopySQLClient, SQLClient
from carto.sync_tables import SyncTableJob, SyncTableJobManager
from carto.visualizations import Visualization, VisualizationManager

REFUSED = (CartoUnauthorizedException, CartoForbiddenException)
#: The privacy of what is shown to those who know its password.
PASSWORD = "PASSWORD"  # noqa: S105
#: What an account keeps about a dataset or a map, and can be put back.
RESTORED_FIELDS = ("display_name", "description", "tags", "license", "attributions", "source", "title", "locked",
                   "privacy")
_SHOWN_FIELDS = ("name", *RESTORED_FIELDS, "created_at", "updated_at")
_SYNCHRONIZATION_FIELDS = ("name", "url", "interval", "service_name", "service_item_id", "type_guessing",
                           "quoted_fields_guessing", "content_guessing", "state", "created_at")
#: Templates that the server keeps for maps; they come back with their maps.
_MAPS_TEMPLATE = re.compile(r"tpl_[0-9a-f]{8}(_[0-9a-f]{4}){3}_[0-9a-f]{12}")
_SECRETS = ("password", "token", "secret")
_PAGE_SIZE = 1000
#: From this size on (bytes), the rows of a table have a bar of their own.
_LARGE = 50 << 20


class LeftOutError(Exception):
    """An item can't be saved, for a reason that another attempt would not change."""


@dataclass(frozen=True)
class Item:
    """Something to save.

    Attributes:
        kind: One of `account_copy.folder.KINDS`.
        write: Writes its files.
        version: Tells what changes whenever the item does; None where that can't be known.
        format: How the rows of a table are written.
    """

    kind: str
    name: str
    write: Callable[[Draft], None]
    version: Callable[[], str | None]
    format: str | None = None


class Source:
    """An account that is saved.

    Args:
        client: Whose account it is, and with which key.
        folder: Where what is left out is noted.
        rows_format: ``copy`` or ``gpkg``.
    """

    def __init__(self, client: APIKeyAuthClient, folder: Folder, rows_format: str) -> None:
        self._client = client
        self._folder = folder
        self._format = rows_format
        self._sql = SQLClient(client)
        self._copy = CopySQLClient(client)

    def items(self) -> list[Item]:
        """List everything that there is to save; what the key may not list is noted as left out.

        Raises:
            CartoUnauthorizedException: The account does not know the key.
        """
        with contextlib.suppress(CartoForbiddenException):  # a key without SQL
            self._folder.manifest["server"] = server_of(self._sql)
        kinds = {"tables": self._relations, "maps": self._maps, "named_maps": self._named_maps,
                 "kuvizs": self._kuvizs, "synchronizations": self._synchronizations}
        return [item for kind, listing in kinds.items() for item in self._listed(kind, listing)]

    def _listed(self, kind: str, listing: Callable[[], Iterable[Item]]) -> list[Item]:
        try:
            return list(listing())
        except (*REFUSED, CartoNotFoundException) as error:
            self._folder.leave_out(kind, None, f"they can't be listed: {error}")
            return []

    @cached_property
    def _is_owner(self) -> bool:
        """Whether the key is the master key: others are shown what is public, without a word about the rest."""
        try:
            list(FileImportJobManager(self._client).iterate(limit=0))
        except REFUSED:
            return False
        return True

    def _relations(self) -> Iterator[Item]:
        schema = server_of(self._sql)["schema"]
        datasets = self._datasets()
        for relation in relations(self._sql):
            own = relation.schema == schema
            name = relation.name if own else str(relation.identifier)  # quoted: names may have dots in them
            kind = "views" if relation.is_view else "tables"
            if not relation.readable:
                self._folder.leave_out(kind, name, "the key may not read it")
            elif relation.is_view:
                yield Item(kind, name, partial(self._write_view, relation), partial(self._version_of_view, relation))
            else:
                dataset = datasets.get(relation.name) if own else None
                yield Item(kind, name, partial(self._write_table, relation, dataset),
                           partial(self._version_of_table, relation, dataset), self._format)

    def _datasets(self) -> dict[str, dict[str, Any]]:
        """Read what the account keeps about its tables, by their names."""
        if not self._is_owner:
            self._folder.leave_out("tables", None, "only the master key is told the privacy, description, tags and the "
                                                   "like of datasets that are not public")
        found = DatasetManager(self._client).iterate(page_size=_PAGE_SIZE)
        return {each.name: {**_facts(each, _SHOWN_FIELDS), "rows_changed": str(each.table.updated_at)}
                for each in found}

    def _definition(self, relation: Relation) -> dict[str, Any]:
        return definition_of(self._sql, relation)

    def _version_of_table(self, relation: Relation, dataset: Mapping[str, Any] | None) -> str | None:
        if dataset is None:
            return None
        return _fingerprint([self._definition(relation), dataset])

    def _version_of_view(self, relation: Relation) -> str:
        return _fingerprint(self._definition(relation))

    def _write_table(self, relation: Relation, dataset: Mapping[str, Any] | None, draft: Draft) -> None:
        definition = self._definition(relation)
        version = dataset and _fingerprint([definition, dataset])
        draft.facts.update(name=relation.name, version=version, foreign_keys=len(foreign_keys(definition)))
        draft.write_json({"definition": definition, "dataset": dataset})
        if self._format == "gpkg":
            draft.facts["rows"] = rows.save_geopackage(self._client, relation.identifier, draft.path(".gpkg"))
            return
        progress = progress_shown() and relation.size >= _LARGE
        digest = rows.save_rows(self._copy, definition, relation.identifier, draft.path(".copy.gz"), progress)
        draft.facts.update(rows=digest.rows, rows_checksum=digest.checksum)

    def _write_view(self, relation: Relation, draft: Draft) -> None:
        definition = self._definition(relation)
        draft.facts.update(name=relation.name, version=_fingerprint(definition))
        draft.write_json({"definition": definition})

    def _maps(self) -> Iterator[Item]:
        if not self._is_owner:
            self._folder.leave_out("maps", None, "maps that are not public are shown to the master key only")
        maps = list(VisualizationManager(self._client).iterate(page_size=_PAGE_SIZE))
        for name, each in _by_name(maps):
            yield Item("maps", name, partial(_write_map, each), partial(str, each.updated_at))

    def _named_maps(self) -> Iterator[Item]:
        for each in NamedMapManager(self._client).all():
            if not _MAPS_TEMPLATE.fullmatch(each.template_id):
                yield Item("named_maps", each.template_id, partial(_write_named_map, each), _unknown)

    def _kuvizs(self) -> Iterator[Item]:
        for name, each in _by_name(KuvizManager(self._client).all()):
            yield Item("kuvizs", name, partial(self._write_kuviz, each), partial(str, each.updated_at))

    def _write_kuviz(self, kuviz: Kuviz, draft: Draft) -> None:
        if str(kuviz.privacy).upper() == PASSWORD:
            raise LeftOutError("its page is shown to those who know its password only")
        draft.facts.update(name=kuviz.name, version=str(kuviz.updated_at))
        draft.write_json(_facts(kuviz, ("name", "privacy", "url", "created_at", "updated_at")))
        with self._client.send(f"kuviz/{kuviz.id}", "get", idempotent=True) as response:
            draft.path(".html").write_bytes(self._client.get_response_data(response, parse_json=False))

    def _synchronizations(self) -> Iterator[Item]:
        for name, each in _by_name(SyncTableJobManager(self._client).all()):
            yield Item("synchronizations", name, partial(_write_synchronization, each), _unknown)


def _write_map(visualization: Visualization, draft: Draft) -> None:
    version = str(visualization.updated_at)
    visualization.refresh()  # a listing does not tell the tables
    tables = [table.name for table in visualization.related_tables or ()]
    draft.facts.update(name=visualization.name, version=version, tables=tables)
    draft.write_json(_facts(visualization, _SHOWN_FIELDS))
    visualization.download(draft.path(".carto"))


def _write_named_map(named_map: NamedMap, draft: Draft) -> None:
    named_map.refresh()
    template = _facts(named_map, NamedMap.template_fields)
    draft.facts.update(name=named_map.name, version=None)
    draft.write_json({name: value for name, value in template.items() if value is not None})


def _write_synchronization(job: SyncTableJob, draft: Draft) -> None:
    draft.facts.update(name=job.name, version=None)
    draft.write_json(_without_secrets(_facts(job, _SYNCHRONIZATION_FIELDS)))


def _facts(resource: Any, names: Iterable[str]) -> dict[str, Any]:
    """Take some fields of a resource, as JSON will have them."""
    fields: dict[str, Any] = json.loads(json.dumps({name: getattr(resource, name) for name in names}, default=str))
    return fields


def _by_name(resources: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Tell resources apart by their names, those of the same name by their ids."""
    seen: set[str] = set()
    for each in resources:
        name = str(each.name or each.id)
        yield (f"{name} ({each.id})" if name in seen else name), each
        seen.add(name)


def _without_secrets(facts: dict[str, Any]) -> dict[str, Any]:
    """Leave passwords out of the definition of a connection to a database."""
    try:
        connector = json.loads(facts["service_item_id"] or "")
    except ValueError:
        return facts
    return {**facts, "service_item_id": None, "connector": _scrubbed(connector)}


def _scrubbed(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: _scrubbed(each) for name, each in value.items() if name.lower() not in _SECRETS}


def _fingerprint(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _unknown() -> None:
    return None
