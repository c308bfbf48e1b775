"""The folder that an account is saved in: its files, their checksums, and the manifest of what is complete.

A file is written beside its place and renamed; then the manifest, which is replaced as a whole, names it. So a run
that is killed at any moment leaves nothing that looks complete and is not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from carto.exceptions import CartoException, CartoUsageException

MANIFEST = "manifest.json"
FORMAT = "carto account copy"
VERSION = 1
#: What an account consists of, in the order in which it can be restored; each has a directory of that name.
KINDS = ("synchronizations", "tables", "views", "maps", "named_maps", "kuvizs")

_BEGUN = ".part"
_CHUNK_BYTES = 1 << 20
_LONGEST_NAME = 80

Json = dict[str, Any]


class DamagedError(CartoException):
    """A file is not what was saved."""


class Folder:
    """A folder with a saved account.

    Args:
        path: Where it is.
        manifest: What is complete in it.

    Attributes:
        left_out: What this run did not save, and why: ``kind``, ``name`` and ``reason`` of each.
    """

    def __init__(self, path: Path, manifest: Json) -> None:
        self.path = path
        self.manifest = manifest
        self.left_out: list[Json] = []

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Open a folder that has a manifest.

        Raises:
            CartoUsageException: There is none, or it is not one of ours.
        """
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CartoUsageException(f"{path} has no {MANIFEST}: it is no folder of export_account.py") from None
        except ValueError as error:
            raise CartoUsageException(f"{path / MANIFEST} can't be read: {error}") from None
        if not isinstance(manifest, dict) or (manifest.get("format"), manifest.get("version")) != (FORMAT, VERSION):
            raise CartoUsageException(f"{path / MANIFEST} is no manifest of version {VERSION} of export_account.py")
        return cls(path, manifest)

    @classmethod
    def open_or_create(cls, path: Path, base_url: str) -> Folder:
        """Open the folder of an account, or begin one.

        Raises:
            CartoUsageException: It has another account in it, or other files.
        """
        address = without_secrets(base_url)
        if (path / MANIFEST).exists():
            folder = cls.open(path)
            if folder.manifest["base_url"] != address:
                raise CartoUsageException(f"{path} holds {folder.manifest['base_url']}: take another folder")
            folder.remove_unfinished()
            return folder
        path.mkdir(mode=0o700, parents=True, exist_ok=True)  # an account's private data
        if any(not each.name.endswith(_BEGUN) for each in path.iterdir()):
            raise CartoUsageException(f"{path} is not empty, and has no {MANIFEST}: take another folder")
        manifest = {"format": FORMAT, "version": VERSION, "base_url": address, "begun": now(),
                    "items": {kind: {} for kind in KINDS}}
        return cls(path, manifest)

    def entries(self, kind: str) -> dict[str, Json]:
        """Give what the manifest says about the items of a kind, by their names."""
        found: dict[str, Json] = self.manifest["items"][kind]
        return found

    def problem_with(self, entry: Mapping[str, Any]) -> str | None:
        """Compare the files of an item with the manifest; None when they are what was saved."""
        return next(filter(None, (self._problem(name, noted) for name, noted in entry["files"].items())), None)

    def read_json(self, entry: Mapping[str, Any]) -> Json:
        """Read the description of an item.

        Raises:
            DamagedError: It is not what was saved.
        """
        name = _name_of_file(entry, ".json")
        problem = self._problem(name, entry["files"][name])
        if problem is not None:
            raise DamagedError(problem)
        document: Json = json.loads((self.path / name).read_text(encoding="utf-8"))
        return document

    def file_of(self, entry: Mapping[str, Any], suffix: str) -> Path:
        """Find the file of an item by the end of its name."""
        return self.path / _name_of_file(entry, suffix)

    def _problem(self, name: str, noted: Mapping[str, Any]) -> str | None:
        path = self.path / name
        if not path.is_file():
            return f"{name} is missing"
        if facts_of(path) != noted:
            return f"{name} is damaged: its size or checksum is not that of the manifest"
        return None

    def leave_out(self, kind: str, name: str | None, reason: str) -> None:
        """Note what is not saved; without a name it is the whole kind, or some of it that has no names."""
        self.left_out.append({"kind": kind, "name": name, "reason": reason})

    def save_manifest(self) -> None:
        """Replace the manifest by its present state."""
        self.manifest.update(updated=now(), left_out=self.left_out)
        write_json(self.path / MANIFEST, self.manifest)

    def remove_unfinished(self) -> None:
        """Remove what an earlier run had begun to write."""
        for path in self.path.rglob(f"*{_BEGUN}"):
            path.unlink()

    @contextmanager
    def item(self, kind: str, name: str) -> Iterator[Draft]:
        """Save an item: when the block ends well, its files get their names and the manifest has it."""
        draft = Draft(self.path, f"{kind}/{file_stem(name)}")
        (self.path / kind).mkdir(mode=0o700, exist_ok=True)
        try:
            yield draft
            self.entries(kind)[name] = {**draft.facts, "saved": now(), "files": draft.publish()}
        finally:
            draft.discard()
        self.save_manifest()


class Draft:
    """The files of an item while they are written.

    Attributes:
        facts: What the manifest is to say about the item; ``name`` is what the account calls it.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self.facts: Json = {}
        self._folder = folder
        self._stem = stem
        self._names: list[str] = []

    def path(self, suffix: str) -> Path:
        """Give the path to write a file to, for now."""
        name = f"{self._stem}{suffix}"
        self._names.append(name)
        return self._folder / f"{name}{_BEGUN}"

    def write_json(self, document: Mapping[str, Any]) -> None:
        """Write the description of the item."""
        self.path(".json").write_text(_json_text(document), encoding="utf-8")

    def discard(self) -> None:
        """Remove the files that have not got their names."""
        for name in self._names:
            (self._folder / f"{name}{_BEGUN}").unlink(missing_ok=True)

    def publish(self) -> Json:
        """Give the files their names.

        Returns:
            Size and checksum of each.
        """
        facts = {}
        for name in self._names:
            begun, final = self._folder / f"{name}{_BEGUN}", self._folder / name
            facts[name] = facts_of(begun)
            _flush(begun)
            begun.replace(final)
        return facts


class Journal:
    """What has been restored into one account; kept in the folder, so that a second run goes on.

    Args:
        folder: The folder with the saved account.
        base_url: Where it is restored to.
    """

    def __init__(self, folder: Path, base_url: str) -> None:
        address = without_secrets(base_url)
        parts = urlsplit(address)
        self._path = folder / f"restored-{file_stem(f'{parts.netloc}{parts.path}'.strip('/'))}.json"
        self._states: dict[str, Json] = {}
        self._document = {"base_url": address, "items": self._states}
        if self._path.exists():
            self._states.update(json.loads(self._path.read_text(encoding="utf-8"))["items"])

    def state(self, kind: str, name: str) -> str | None:
        """Tell how far an item is: begun, done, synchronized, or None."""
        return self._noted(kind, name, "state")

    def remark(self, kind: str, name: str) -> str:
        """Tell what was said about an item."""
        return self._noted(kind, name, "note") or ""

    def note(self, kind: str, name: str, state: str, note: str = "") -> None:
        """Note how far an item is, and what there is to say about it."""
        self._states[f"{kind}/{name}"] = {"state": state, "note": note}
        write_json(self._path, self._document)

    def _noted(self, kind: str, name: str, what: str) -> str | None:
        return self._states.get(f"{kind}/{name}", {}).get(what)


def _name_of_file(entry: Mapping[str, Any], suffix: str) -> str:
    found: str = next(name for name in entry["files"] if name.endswith(suffix))
    return found


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a file by a JSON document, or leave it as it is when killed."""
    begun = path.with_name(f"{path.name}{_BEGUN}")
    begun.write_text(_json_text(document), encoding="utf-8")
    _flush(begun)
    begun.replace(path)


def facts_of(path: Path) -> Json:
    """Measure a file: its bytes and its SHA-256."""
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum.update(chunk)
    return {"bytes": path.stat().st_size, "sha256": checksum.hexdigest()}


def file_stem(name: str) -> str:
    """Make a name for files out of any name, readable and different from those of all other names."""
    stem = re.sub(r"[^a-z0-9_-]", "_", name.lower())[:_LONGEST_NAME]
    return stem if stem == name else f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def without_secrets(url: str) -> str:
    """Take credentials and parameters out of a URL."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def now() -> str:
    """Tell the time, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _json_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1, default=str) + "\n"


def _flush(path: Path) -> None:
    """Have the disk hold what was written, before a name says that it does."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
