"""How long a call may take when nobody says: the defaults by the kind of call."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, cast

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
    return METADATA if isinstance(call, Unset) else cast("tuple[float | None, float | None]", tuple(call))


def hint(timeout: Timeout) -> str:
    """Say which setting ran out, for the text of a timeout error."""
    return (f"The timeout was {timeout!r} seconds: pass timeout=... to the call or to the client "
            "to wait longer (a number, a pair of connect and read, or None for no limit)")
