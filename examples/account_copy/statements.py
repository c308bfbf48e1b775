"""Writes the SQL that makes a table or view again from its saved definition.

A table is made in two steps. The first makes one of another name that takes the rows, with nothing on it that would
slow that down. The second, which is one transaction, gives it its name, sequences, constraints, indexes and comments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from account_copy.catalog import MATERIALIZED
from carto.sql import Identifier
from carto.sql.parameters import quote_identifier, quote_literal

Definition = Mapping[str, Any]

_IDENTITIES = {"a": "ALWAYS", "d": "BY DEFAULT"}
_FOREIGN_KEY = "f"


def temporary_name(name: str) -> str:
    """Give the name under which a table is filled; the same in every run, so that a later one finds it."""
    return f"_restoring_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def creation(definition: Definition, target: Identifier) -> str:
    """Write the statement that makes the table to be filled."""
    columns = ", ".join(map(_column, definition["columns"] or ()))
    return f"DROP TABLE IF EXISTS {target}; CREATE TABLE {target} ({columns})"


def completion(definition: Definition, filled: Identifier, target: Identifier, replace: bool) -> str:
    """Write the statements that turn the filled table into the one that was saved.

    Args:
        definition: How that one is defined.
        filled: The table with the rows.
        target: Its name from now on.
        replace: Whether a table of that name is dropped.
    """
    return ";\n".join([
        *([f"DROP TABLE IF EXISTS {target}"] if replace else []),
        f"ALTER TABLE {filled} RENAME TO {quote_identifier(target.parts[-1])}",
        *_sequences(definition, target),
        *_constraints(definition, target),
        *_indexes(definition, target),
        *_comments(definition, target, "TABLE"),
        *_cartodbfying(definition, target),
        *_public_right(definition, target),
    ])


def copy(definition: Definition, imported: Identifier, target: Identifier) -> str:
    """Write the statements that turn an import into the table that was saved, as far as that goes."""
    return ";\n".join([
        f"DROP TABLE IF EXISTS {target}",
        f"CREATE TABLE {target} AS TABLE {imported}",
        f"DROP TABLE {imported}",
        *_cartodbfying(definition, target),
        *_public_right(definition, target),
    ])


def foreign_keys(definition: Definition) -> list[Definition]:
    """List the constraints that tie the table to others."""
    return [each for each in definition["constraints"] or () if each["type"] == _FOREIGN_KEY]


def tying(definition: Definition, target: Identifier) -> str:
    """Write the statement that adds the foreign keys of a table, also where an earlier run has done so."""
    names = {quote_identifier(each["name"]): each["definition"] for each in foreign_keys(definition)}
    changes = [f"DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} {how}" for name, how in names.items()]
    return f"ALTER TABLE {target} {', '.join(changes)}"


def untying(definition: Definition, target: Identifier) -> str:
    """Write the statement that drops the foreign keys of a table."""
    drops = [f"DROP CONSTRAINT IF EXISTS {quote_identifier(each['name'])}" for each in foreign_keys(definition)]
    return f"ALTER TABLE {target} {', '.join(drops)}"


def view(definition: Definition, target: Identifier, replace: bool) -> str:
    """Write the statements that make a view."""
    kind = kind_of_view(definition["kind"])
    return ";\n".join([
        *([f"DROP {kind} IF EXISTS {target}"] if replace else []),
        f"CREATE {kind} {target} AS {definition['view'].rstrip().rstrip(';')}",
        *_indexes(definition, target),
        *_comments(definition, target, kind),
        *_public_right(definition, target),
    ])


def kind_of_view(letter: str) -> str:
    """Name the kind of a view as SQL does."""
    return "MATERIALIZED VIEW" if letter == MATERIALIZED else "VIEW"


def _column(column: Definition) -> str:
    words = [quote_identifier(column["name"]), column["type"]]
    if column["collation"]:
        words += ["COLLATE", column["collation"]]
    if column["generated"]:
        words.append(f"GENERATED ALWAYS AS ({column['default']}) STORED")
    elif column["default"] and not column["sequence"]:
        words += ["DEFAULT", column["default"]]
    if column["not_null"]:
        words.append("NOT NULL")
    return " ".join(words)


def _sequences(definition: Definition, target: Identifier) -> Iterator[str]:
    """Make the sequences that columns count with, and have them go on where they were."""
    for column in definition["columns"] or ():
        if column["sequence"]:
            name = Identifier(target.parts[0], column["sequence"]["name"])
            yield from _counting(column, name, target)
            yield _position(column, name, target)


def _counting(column: Definition, name: Identifier, target: Identifier) -> Iterator[str]:
    sequence = column["sequence"]
    place = f"ALTER TABLE {target} ALTER {quote_identifier(column['name'])}"
    options = (f"INCREMENT {sequence['increment']} MINVALUE {sequence['min']} MAXVALUE {sequence['max']} "
               f"START {sequence['start']} CACHE {sequence['cache']}{' CYCLE' if sequence['cycle'] else ''}")
    if column["identity"]:
        yield f"{place} ADD GENERATED {_IDENTITIES[column['identity']]} AS IDENTITY (SEQUENCE NAME {name} {options})"
        return
    # one that no column owns may serve several tables
    unless = "" if sequence["owned"] else "IF NOT EXISTS "
    yield f"CREATE SEQUENCE {unless}{name} AS {sequence['type']} {options}"
    yield f"{place} SET DEFAULT {column['default']}"
    if sequence["owned"]:
        yield f"ALTER SEQUENCE {name} OWNED BY {target}.{quote_identifier(column['name'])}"


def _position(column: Definition, name: Identifier, target: Identifier) -> str:
    """Set a sequence to where it was; a key that may not look at it leaves the greatest value to go by."""
    sequence, text = column["sequence"], quote_literal(str(name))
    if sequence["readable"]:
        return f"SELECT setval({text}, {sequence['last']}, {str(sequence['called']).lower()})"
    return (f"SELECT setval({text}, greatest) FROM (SELECT max({quote_identifier(column['name'])}) AS greatest "  # noqa: S608
            f"FROM {target}) AS used WHERE greatest >= {sequence['min']}")


def _constraints(definition: Definition, target: Identifier) -> Iterator[str]:
    for each in definition["constraints"] or ():
        if each["type"] != _FOREIGN_KEY:
            yield f"ALTER TABLE {target} ADD CONSTRAINT {quote_identifier(each['name'])} {each['definition']}"


def _indexes(definition: Definition, target: Identifier) -> Iterator[str]:
    for index in definition["indexes"] or ():
        unique = "UNIQUE " if index["unique"] else ""
        yield f"CREATE {unique}INDEX {quote_identifier(index['name'])} ON {target} USING {index['using']}"


def _comments(definition: Definition, target: Identifier, kind: str) -> Iterator[str]:
    if definition["comment"]:
        yield f"COMMENT ON {kind} {target} IS {quote_literal(definition['comment'])}"
    for column in definition["columns"] or ():
        if column["comment"]:
            place = f"{target}.{quote_identifier(column['name'])}"
            yield f"COMMENT ON COLUMN {place} IS {quote_literal(column['comment'])}"


def _cartodbfying(definition: Definition, target: Identifier) -> Iterator[str]:
    if definition["cartodbfied"]:
        schema, table = quote_literal(target.parts[0]), quote_literal(str(target))
        yield f"SELECT cartodb.CDB_CartodbfyTable({schema}, {table}::regclass)"


def _public_right(definition: Definition, target: Identifier) -> Iterator[str]:
    if definition["public"]:
        yield f"GRANT SELECT ON {target} TO publicuser"
