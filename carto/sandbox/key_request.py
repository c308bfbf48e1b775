"""What a request for a new API key asks for, checked as CARTO's Rails application checks it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from carto.sandbox.accounts import SERVICES, TABLE_PERMISSIONS
from carto.sandbox.key_grants import DatabaseGrants, TableGrant

FIXED_NAMES = ("Master", "Default public")
APIS = ("sql", "maps", "do")
SCHEMA_PERMISSIONS = ("create",)
USER_DATA = ("profile",)
_CONTENTS = {"apis": "apis", "database": "tables", "dataservices": "services", "user": "data",
             "data-observatory": "datasets"}  # fmt: skip
_ALLOWED = {"apis": APIS, "dataservices": SERVICES, "user": USER_DATA}


class InvalidKeyError(Exception):
    """What is asked for makes no sense; the message is what follows ``Validation failed:``."""


@dataclass(frozen=True)
class KeyRequest:
    """A key that is asked for.

    Attributes:
        name: Its name.
        grants: What it may do besides, by kind.
        in_database: What it may do in the database.
    """

    name: str
    grants: dict[str, Any]
    in_database: DatabaseGrants

    @classmethod
    def of(cls, name: Any, grants: Any) -> KeyRequest:
        """Read a request.

        Args:
            name: Name as it was sent.
            grants: Grants as they were sent.

        Raises:
            InvalidKeyError: It makes no sense.
        """
        if not isinstance(name, str) or not name.strip():
            raise InvalidKeyError("Name can't be blank")
        if name in FIXED_NAMES:
            raise InvalidKeyError("Name api_key name cannot be Master nor Default public")
        sections = _sections(grants)
        kept = {kind: section[_CONTENTS[kind]] for kind, section in sections.items() if kind != "database"}
        database = sections.get("database", {})
        if "table_metadata" in database:
            kept["table_metadata"] = database["table_metadata"]
        return cls(name, kept, _in_database(database))


def _sections(grants: Any) -> dict[str, dict[str, Any]]:
    """Return the sections of grants by their kind."""
    if not isinstance(grants, list):
        raise InvalidKeyError("Grants grants has to be an array")
    sections: dict[str, dict[str, Any]] = {}
    for place, section in enumerate(grants):
        kind = section.get("type") if isinstance(section, dict) else None
        if not isinstance(kind, str) or kind not in _CONTENTS:
            raise _not_one_of(f"{place}/type", kind, _CONTENTS)
        if kind in sections:
            raise InvalidKeyError(f"Grants only one {kind} section is allowed")
        if kind != "database":
            _list_of(f"{place}/{_CONTENTS[kind]}", section.get(_CONTENTS[kind]), _ALLOWED.get(kind))
        sections[kind] = section
    if "apis" not in sections:
        raise InvalidKeyError("Grants only one apis section is allowed")
    return sections


def _in_database(section: dict[str, Any]) -> DatabaseGrants:
    tables = _list_of("database/tables", section.get("tables", []))
    schemas = _list_of("database/schemas", section.get("schemas", []))
    for schema in schemas:
        _permissions("database/schemas", schema, SCHEMA_PERMISSIONS)
    return DatabaseGrants(
        [
            TableGrant(
                _text("database/tables", table, "schema"),
                _text("database/tables", table, "name"),
                tuple(_permissions("database/tables", table, TABLE_PERMISSIONS)),
            )
            for table in tables
        ],
        [_text("database/schemas", schema, "name") for schema in schemas if schema["permissions"]],
    )


def _permissions(place: str, entry: Any, allowed: Collection[str]) -> list[str]:
    sent = entry.get("permissions") if isinstance(entry, dict) else None
    return _list_of(f"{place}/permissions", sent, allowed)


def _list_of(place: str, sent: Any, allowed: Collection[str] | None = None) -> list[Any]:
    if not isinstance(sent, list):
        raise InvalidKeyError(f"Grants The property '#/{place}' has to be an array")
    for each in sent:
        if allowed is not None and each not in allowed:
            raise _not_one_of(place, each, allowed)
    return sent


def _text(place: str, entry: Any, name: str) -> str:
    value = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value:
        raise InvalidKeyError(f"Grants The property '#/{place}/{name}' has to be a text")
    return value


def _not_one_of(place: str, sent: Any, allowed: Collection[str]) -> InvalidKeyError:
    values = ", ".join(allowed)
    return InvalidKeyError(
        f"Grants The property '#/{place}' value {sent!r} did not match one of the following values: {values}"
    )
