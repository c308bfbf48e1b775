"""Find an installed PostgreSQL that has PostGIS, or say what to install."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from carto.sandbox import SandboxRequirementError
from carto.sandbox.server_account import popen_arguments

BIN_VARIABLE = "CARTO_SANDBOX_POSTGRES_BIN"
"""Environment variable naming the directory of initdb and postgres, where they are in an unusual place."""

BIN_PATTERNS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat and its kin, with the packages of postgresql.org
    "/usr/lib/postgresql*/bin",  # SUSE
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
)


@dataclass(frozen=True)
class Programs:
    """One installed PostgreSQL.

    Attributes:
        directory: Where initdb and postgres are.
        version: Version, such as (15, 18).
        has_postgis: Whether PostGIS is installed for it.
    """

    directory: Path
    version: tuple[int, ...]
    has_postgis: bool


def find_programs(major: int | None = None) -> Programs:
    """Find the newest installed PostgreSQL that has PostGIS.

    Args:
        major: Major version that the data directory needs; None for any.

    Raises:
        SandboxRequirementError: There is none; the message says what to install.
    """
    found = [programs for programs in map(_inspect, _directories()) if programs]
    usable = [each for each in found if each.has_postgis and major in (None, each.version[0])]
    if not usable:
        raise SandboxRequirementError(_what_to_install(found, major))
    return max(usable, key=lambda each: each.version)


def _directories() -> Iterator[Path]:
    if os.environ.get(BIN_VARIABLE):
        yield Path(os.environ[BIN_VARIABLE])
        return
    for pattern in BIN_PATTERNS:
        yield from map(Path, glob.glob(pattern))
    yield Path(sys.prefix, "bin")  # conda
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent


def _inspect(directory: Path) -> Programs | None:
    initdb = directory / "initdb"
    if not (initdb.exists() and (directory / "postgres").exists()):
        return None
    # `initdb --show` knows where the extensions are, also where pg_config was not installed.
    shown = subprocess.run(  # noqa: S603 -- a program that stands where PostgreSQL's do
        [initdb, "--show", "--pgdata=/nonexistent"],
        capture_output=True,
        text=True,
        check=False,
        **popen_arguments(),
    )
    values = dict(re.findall(r"^(\w+)=(.*)$", shown.stdout + shown.stderr, re.MULTILINE))
    version = re.match(r"[\d.]+", values.get("VERSION", ""))
    if version is None:
        return None
    control = Path(values["share_path"], "extension", "postgis.control")
    return Programs(directory, tuple(map(int, version[0].strip(".").split("."))), control.exists())


def _what_to_install(found: Sequence[Programs], major: int | None) -> str:
    seen = ", ".join(f"{'.'.join(map(str, each.version))} in {each.directory}" for each in found)
    version = str(major or "")
    if major is not None:
        missing = f"The data directory was made by PostgreSQL {major}, which is not installed with PostGIS"
    elif seen:
        missing, version = "PostGIS is not installed", str(max(each.version for each in found)[0])
    else:
        missing = "PostgreSQL is not installed"
    debian = f"postgresql-{version} postgresql-{version}-postgis-3" if version else "postgresql postgresql-postgis"
    return (
        f"{missing} (found: PostgreSQL {seen or 'none'}). The sandbox needs PostgreSQL with PostGIS. Install them:\n"
        f"  Debian, Ubuntu:  sudo apt-get install {debian}\n"
        f"  macOS:           brew install postgis\n"
        f"Installed in an unusual place? Set {BIN_VARIABLE} to the directory of initdb and postgres. Or use a "
        f"server that you have: --database-url."
    )
