"""What may make a query faster, read from its plan as EXPLAIN (VERBOSE, FORMAT JSON) gives it; for check_query.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

#: One step of a plan, with the steps that deliver to it.
Node: TypeAlias = "dict[str, Any]"
#: Gives the columns of a table: name, spatial, indexed.
Columns: TypeAlias = "Callable[[str, str], list[dict[str, Any]]]"

#: Reading fewer rows than these is fast in any case.
MANY_ROWS = 10_000
#: An index pays where it finds a small part of the rows.
SMALL_PART = 0.2
#: An estimate that is wrong by this factor leads to bad plans.
MISJUDGED = 10


def walk(node: Node, depth: int = 0) -> Iterator[tuple[int, Node]]:
    """Go through a plan from the top; the steps come with their depth."""
    yield depth, node
    for child in node.get("Plans", ()):
        yield from walk(child, depth + 1)


def changes_data(plan: Node) -> bool:
    """Tell whether the query inserts, updates or deletes rows."""
    return any(node["Node Type"] == "ModifyTable" for _, node in walk(plan))


def advice(plan: Node, columns: Columns) -> list[str]:
    """Collect what can be said about all steps of a plan, each thing once."""
    found: dict[str, None] = {}
    for _, node in walk(plan):
        for lines in (about_scan(node, columns), about_join(node), about_distance(node), about_memory(node),
                      about_estimate(node)):
            found.update(dict.fromkeys(lines))
    return list(found)


def about_scan(node: Node, columns: Columns) -> Iterator[str]:
    """Say why many rows are read one after the other."""
    if node["Node Type"] != "Seq Scan":
        return
    table, kept = node["Relation Name"], rows_of(node)
    read = kept + node.get("Rows Removed by Filter", 0) * node.get("Actual Loops", 1)
    if read < MANY_ROWS:
        return
    if "Filter" not in node:
        yield (f"All {read:,} rows of {table} are read, as nothing in the query selects among them: "
               "add a condition or LIMIT unless you need them all.")
    elif kept < read * SMALL_PART:
        used = [column for column in columns(node["Schema"], table) if mentions(node["Filter"], column["name"])]
        yield f"{read:,} rows of {table} are read one after the other to keep {kept:,}. {how_to_find(table, used)}"


def how_to_find(table: str, used: list[dict[str, Any]]) -> str:
    """Say how the rows could be found by an index, given the columns in the condition."""
    spatial = [column for column in used if column["spatial"]]
    relevant = spatial or used
    without = [column["name"] for column in relevant if not column["indexed"]]
    if spatial and without:
        return f"There is no spatial index: CREATE INDEX ON {table} USING gist ({without[0]})."
    if without:
        return f"There is no index for that: CREATE INDEX ON {table} ({', '.join(without)})."
    if relevant:
        names = " and ".join(column["name"] for column in relevant)
        return (f"The index on {names} cannot be used as the condition is written: compare the column itself, without "
                "a function, a cast or a transformation around it.")
    return "The condition names no column of it."


def about_join(node: Node) -> Iterator[str]:
    """Say that a join compares every row with every other."""
    removed = node.get("Rows Removed by Join Filter", 0) * node.get("Actual Loops", 1)
    if removed >= MANY_ROWS and rows_of(node) < removed * SMALL_PART:
        yield (f"A join compares {removed + rows_of(node):,} pairs of rows to keep {rows_of(node):,}: an index on the "
               f"columns in its condition, {node['Join Filter']}, may help; a spatial one for geometries.")


def about_distance(node: Node) -> Iterator[str]:
    """Say that distances are measured where an index could choose."""
    conditions = " ".join(node.get(name, "") for name in ("Filter", "Join Filter")).lower()
    if re.search(r"\bst_distance(sphere|spheroid)?\(", conditions):
        yield "A condition measures every distance with ST_Distance: ST_DWithin tells the same by a spatial index."


def about_memory(node: Node) -> Iterator[str]:
    """Say that a step did not fit into memory."""
    if node.get("Sort Space Type") == "Disk":
        yield (f"Sorting took {node['Sort Space Used'] / 1024:.0f} MB on the disk: sort fewer rows or columns, or add "
               f"an index on {', '.join(node['Sort Key'])}.")
    if node.get("Hash Batches", 1) > 1 or node.get("HashAgg Batches", 0) > 1:
        yield f"{node['Node Type']} did not fit into memory: join or group fewer rows or columns."


def about_estimate(node: Node) -> Iterator[str]:
    """Say that PostgreSQL knows a table badly."""
    if "Relation Name" not in node or "Actual Rows" not in node:
        return
    planned, actual = max(node["Plan Rows"], 1), max(node["Actual Rows"], 1)
    if max(planned, actual) >= MANY_ROWS / MISJUDGED and not 1 / MISJUDGED < planned / actual < MISJUDGED:
        yield (f"PostgreSQL expected {planned:,} rows of {node['Relation Name']} and found {actual:,}: "
               f"ANALYZE {node['Relation Name']} may lead to a better plan.")


def rows_of(node: Node) -> int:
    """Give the rows that a step delivers in all, or is planned to."""
    return int(node.get("Actual Rows", node["Plan Rows"]) * node.get("Actual Loops", 1))


def mentions(condition: str, column: str) -> bool:
    """Tell whether a condition names a column."""
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", condition) is not None
