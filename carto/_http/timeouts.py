"""How long a call may take when nobody says: the defaults by the kind of call."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, TypeAlias, TypeVar

import urllib3

from carto.exceptions import CartoUsageException

_Given = TypeVar("_Given")

#: Seconds for connecting and for the pause between two reads; one number is for both, None is for ever.
Timeout: TypeAlias = "float | tuple[float | None, float | None] | None"


class DefaultTimeout(NamedTuple):
    """A timeout that nobody asked for by name: a client's own setting goes before it."""

    connect: float
    read: float


METADATA = DefaultTimeout(10, 60)
SQL = DefaultTimeout(10, 300)
TRANSFER = DefaultTimeout(10, 600)


class Unset:
    """The type of `UNSET`."""

    def __repr__(self) -> str:
        return "UNSET"


#: Stands for "not given" where None means "no timeout".
UNSET = Unset()


def checked(timeout: _Given) -> _Given:
    """Refuse what is no timeout, before a request is made for it.

    Args:
        timeout: What the caller gave.

    Returns:
        The same.

    Raises:
        CartoUsageException: It is not a positive number, a pair of them, or None.
    """
    parts = timeout if isinstance(timeout, tuple) and len(timeout) == 2 else (timeout,)
    if isinstance(timeout, (Unset, urllib3.Timeout)) or all(part is None or _is_duration(part) for part in parts):
        return timeout
    raise CartoUsageException(f"timeout is a number of seconds above 0, a pair of connect and read, or None, "
                              f"not {timeout!r}")


def _is_duration(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= threading.TIMEOUT_MAX


def effective(call: Timeout | Unset, client: Timeout | Unset) -> Timeout:
    """Choose the timeout of one call.

    Args:
        call: What the call says; a `DefaultTimeout` is only a suggestion.
        client: What the client was made with.

    Returns:
        The call's own timeout, else the client's, else the suggestion or the one for metadata.
    """
    if not isinstance(call, (Unset, DefaultTimeout)):
        return call
    if not isinstance(client, Unset):
        return client
    suggested = METADATA if isinstance(call, Unset) else call
    return suggested.connect, suggested.read


def hint(timeout: Timeout) -> str:
    """Say which setting ran out, for the text of a timeout error."""
    return (f"The timeout was {timeout!r} seconds: pass timeout=... to the call or to the client "
            "to wait longer (a number, a pair of connect and read, or None for no limit)")
