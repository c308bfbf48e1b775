"""The data that goes to and fro: always the same, from a fixed seed."""

from __future__ import annotations

import functools
import gzip
import json
import random
import shutil
import uuid
from pathlib import Path
from typing import Any

COLUMNS = (
    "id integer", "name text", "country text", "longitude double precision", "latitude double precision",
    "population integer", "area double precision", "measured timestamp", "code text", "note text",
)
_BLOCK_ROWS = 20_000
_SEED = 1113
_WORDS = ("river", "bridge", "station", "market", "harbour", "forest", "north", "south", "old", "new", "saint", "upper")
CHUNK_BYTES = 65536


@functools.lru_cache(maxsize=1)
def block() -> tuple[tuple[int | float | str, ...], ...]:
    """Give the rows that all data are made of, by repeating them."""
    chance = random.Random(_SEED)
    return tuple(_row(number, chance) for number in range(_BLOCK_ROWS))


def _row(number: int, chance: random.Random) -> tuple[int | float | str, ...]:
    words = chance.choices(_WORDS, k=5)
    return (
        number, f"{words[0].title()} {words[1]}", chance.choice(("ES", "FR", "DE", "IT", "PT")),
        round(chance.uniform(-180, 180), 6), round(chance.uniform(-90, 90), 6), chance.randrange(10_000_000),
        round(chance.uniform(0, 1000), 3), f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02} 12:00:00",
        f"{chance.getrandbits(32):08x}", " ".join(words[2:]),
    )


def write_csv(path: Path, size: int) -> None:
    """Write whole rows of CSV, together about `size` bytes."""
    lines = ["".join(f"{','.join(map(str, row))}\n") for row in block()]
    text = "".join(lines).encode()
    with path.open("wb") as file:
        for _ in range(size // len(text)):
            file.write(text)
        rest = text[: size % len(text)]
        file.write(rest[: rest.rfind(b"\n") + 1] or (b"" if size >= len(text) else lines[0].encode()))


def write_datasets(path: Path, count: int) -> None:
    """Write a list of datasets with all that the server tells of each: 37 dates, its table, its permission twice."""
    chance = random.Random(_SEED)
    items = [_dataset(number, chance) for number in range(count)]
    path.write_text(json.dumps({"visualizations": items, "total_entries": count, "total_user_entries": count,
                                "total_locked": 0, "total_likes": 0, "total_shared": 0}))


def _dataset(number: int, chance: random.Random) -> dict[str, Any]:
    name, permission = f"stores_{number}", _permission(chance)
    nothing = dict.fromkeys(("display_name", "source", "title", "license", "attributions", "prev_id", "next_id",
                             "parent_id", "active_child", "synchronization"))
    return {
        "id": _uuid(chance), "name": name, "map_id": _uuid(chance), "active_layer_id": _uuid(chance), "type": "table",
        "tags": ["retail"], "description": " ".join(chance.choices(_WORDS, k=5)), "privacy": "PRIVATE",
        "created_at": _moment(chance), "updated_at": _moment(chance), "locked": False, "kind": "geom",
        "external_source": {}, "url": f"https://bench.carto.com/tables/{name}", "version": 3,
        "transition_options": {}, "children": [], "uses_builder_features": False, "liked": False, **nothing,
        "permission": permission, "stats": {f"2026-03-{day:02}": chance.randrange(9) for day in range(1, 31)},
        "auth_tokens": [f"{chance.getrandbits(128):x}"], "dependent_visualizations": [],
        "dependent_visualizations_count": 0,
        "table": {"id": _uuid(chance), "name": name, "geometry_types": ["ST_Point"], "privacy": "PRIVATE",
                  "updated_at": _moment(chance), "synchronization": None, "size": 131072,
                  "row_count": chance.randrange(9999), "permission": permission},
    }


def _permission(chance: random.Random) -> dict[str, Any]:
    nothing = dict.fromkeys(("name", "last_name", "website", "description", "location", "twitter_username",
                             "disqus_shortname", "google_maps_query_string"))
    owner = {
        "id": _uuid(chance), "username": "bench", "email": "bench@example.com", "available_for_hire": False,
        "avatar_url": "//assets.example.com/avatars/avatar_stars_red.png", "base_url": "https://bench.carto.com",
        "quota_in_bytes": 104857600, "table_count": 12, "viewer": False, "role_display": "builder", "org_admin": False,
        "public_visualization_count": 3, "all_visualization_count": 9, "org_user": False, "remove_logo": False,
        "groups": [], **nothing,
    }
    return {"id": _uuid(chance), "owner": owner, "entity": {"id": _uuid(chance), "type": "vis"}, "acl": [],
            "created_at": _moment(chance), "updated_at": _moment(chance)}


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128)))


def _moment(chance: random.Random) -> str:
    return f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T12:00:00.{chance.randrange(1000):03}Z"


def write_json(path: Path, rows: int) -> None:
    """Write an answer of the SQL API with so many rows."""
    names = [column.partition(" ")[0] for column in COLUMNS]
    texts = [json.dumps(dict(zip(names, row, strict=True)), separators=(",", ":")) for row in block()[:rows]]
    with path.open("w") as file:
        file.write('{"rows":[')
        file.write(",".join(texts[number % len(texts)] for number in range(rows)))
        fields = {name: {"type": "string"} for name in names}
        file.write(f'],"time":0.1,"fields":{json.dumps(fields)},"total_rows":{rows}}}')


def write_gzip(path: Path, source: Path) -> None:
    """Compress a file, the same bytes at every time."""
    with source.open("rb") as plain, path.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


def write_response(path: Path, body: Path, content_type: str, encoding: str, chunked: bool) -> None:
    """Write a whole HTTP response around a body."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {body.stat().st_size}"
    coding = f"Content-Encoding: {encoding}\r\n" if encoding else ""
    with body.open("rb") as source, path.open("wb") as file:
        file.write(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{coding}{length}\r\n\r\n".encode())
        if not chunked:
            shutil.copyfileobj(source, file, 1 << 20)
            return
        while chunk := source.read(CHUNK_BYTES):
            file.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        file.write(b"0\r\n\r\n")
