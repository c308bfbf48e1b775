"""The system account that PostgreSQL runs as: our own, or an unprivileged one when we are root."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path
from typing import Any

from carto.sandbox import SandboxError

UNPRIVILEGED_USERS = ("postgres", "nobody")


def server_account() -> pwd.struct_passwd | None:
    """Give the account that PostgreSQL has to change to, since it refuses root; None to stay the caller.

    Raises:
        SandboxError: We are root, and there is no account to change to.
    """
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    names = " or ".join(UNPRIVILEGED_USERS)
    raise SandboxError(f"PostgreSQL refuses to run as root, and there is no user {names} to run it as")


def popen_arguments() -> dict[str, Any]:
    """Give what makes `subprocess` run a program as the server's account."""
    account = server_account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def give_to_server_account(path: Path) -> None:
    """Make the server's account the owner of a directory."""
    account = server_account()
    if account:
        os.chown(path, account.pw_uid, account.pw_gid)


def server_may_enter(directory: Path) -> bool:
    """Tell whether the server's account may pass through a directory and those above it."""
    if server_account() is None:
        return True
    return all(each.stat().st_mode & 0o001 for each in (directory, *directory.parents))
