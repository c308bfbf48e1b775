"""The API keys of all accounts while the sandbox runs: making, changing and removing them takes effect at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from carto.sandbox import provisioning
from carto.sandbox.accounts import Account, ApiKey
from carto.sandbox.key_grants import DatabaseGrants
from carto.sandbox.key_store import KeptKey, KeyStore, new_key
from carto.sandbox.state import ServerState

MASTER_TOKEN_BYTES = 20
TOKEN_BYTES = 16


class NameTakenError(Exception):
    """The account has a key of that name."""


class UnknownKeyError(Exception):
    """The account has no key of that name."""


class QuotaError(Exception):
    """The account has as many regular keys as it may have."""


class KeyRing:
    """Changes keys: in the table that keeps them, in PostgreSQL, and in the accounts that requests are checked against.

    Args:
        state: What all endpoints share.

    Attributes:
        store: The table that keeps them.
    """

    def __init__(self, state: ServerState) -> None:
        self.store = KeyStore(state)
        self._state = state
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Open the table of keys."""
        await self.store.start()

    async def stop(self) -> None:
        """Close it."""
        await self.store.stop()

    async def create(self, account: Account, name: str, grants: dict[str, Any], in_database: DatabaseGrants) -> KeptKey:
        """Make a regular key.

        Args:
            account: Whose key it is.
            name: Its name.
            grants: What it may do besides.
            in_database: What it may do in the database.

        Raises:
            NameTakenError: There is a key of that name.
            QuotaError: There are too many keys.
            NotGrantableError: The account has not the rights that the key is to have.
        """
        async with self._changing:
            self._check_quota(account)
            token, role = secrets.token_urlsafe(TOKEN_BYTES), provisioning.new_role_name(account)
            if not await self.store.add(account.name, name, token, role, grants):
                raise NameTakenError
            kept = await self._kept(account, name)
            key = new_key(account, kept)
            try:
                await asyncio.to_thread(provisioning.add_key, self._admin, account, key, in_database)
            except BaseException:
                await self.store.remove(account.name, name)
                raise
            self._set_keys(account, (*self._state.accounts[account.name].keys, key))
        return kept

    async def regenerate(self, account: Account, name: str) -> KeptKey:
        """Give a key another token; the old one is refused from now on.

        Its role stays as it is, so that what runs as this role goes on.

        Raises:
            UnknownKeyError: There is no such key.
        """
        async with self._changing:
            kept = await self._kept(account, name)
            is_master = kept.type == "master"
            token = secrets.token_hex(MASTER_TOKEN_BYTES) if is_master else secrets.token_urlsafe(TOKEN_BYTES)
            await self.store.set_token(account.name, name, token)
            keys = self._state.accounts[account.name].keys
            self._set_keys(account, (replace(key, token=token) if key.name == name else key for key in keys))
            return await self._kept(account, name)

    async def delete(self, account: Account, name: str) -> None:
        """Remove a regular key, and end what it runs.

        Raises:
            UnknownKeyError: There is no such key.
        """
        async with self._changing:
            keys = {key.name: key for key in self._state.accounts[account.name].keys}
            removed = keys.pop(name, None)
            if removed is None:
                raise UnknownKeyError
            self._set_keys(account, keys.values())
            await self.store.remove(account.name, name)
            await self._state.pool.forget(account.conninfo(removed, self._state.cluster_conninfo))
            await asyncio.to_thread(provisioning.remove_key, self._admin, account, removed)

    @property
    def _admin(self) -> str:
        return self._state.options.conninfo

    def _check_quota(self, account: Account) -> None:
        keys = self._state.accounts[account.name].keys
        quota = account.regular_key_quota
        if quota is not None and sum(key.type == "regular" for key in keys) >= quota:
            raise QuotaError

    async def _kept(self, account: Account, name: str) -> KeptKey:
        kept = await self.store.find(account.name, name)
        if kept is None:
            raise UnknownKeyError
        return kept

    def _set_keys(self, account: Account, keys: Iterable[ApiKey]) -> None:
        self._state.accounts[account.name] = replace(self._state.accounts[account.name], keys=tuple(keys))
