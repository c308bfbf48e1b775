"""Passwords of maps and kuvizs, kept in a form that does not show them."""

from __future__ import annotations

import hashlib
import hmac


def hashed(password: str) -> str:
    """Return the form in which a password is kept."""
    return hashlib.sha256(b"carto-sandbox:" + password.encode()).hexdigest()


def matches(kept: str | None, password: str) -> bool:
    """Tell whether a password is the one that is kept, if any."""
    return kept is not None and hmac.compare_digest(kept, hashed(password))
