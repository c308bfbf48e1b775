"""The users of organizations while the sandbox runs: each is an account with a database, roles and keys of its own."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from carto.sandbox import provisioning
from carto.sandbox.accounts import Account, account_from_dict
from carto.sandbox.key_ring import MASTER_TOKEN_BYTES
from carto.sandbox.member_store import MemberStore
from carto.sandbox.state import ServerState
from carto.sandbox.visualizations_store import admin_conninfo


class UserTakenError(Exception):
    """There is an account of that name."""


@dataclass(frozen=True)
class Organization:
    """An organization, as its accounts make it up.

    Attributes:
        name: Its name.
        members: Its accounts.
    """

    name: str
    members: list[Account]

    @property
    def id(self) -> str:
        """Its id."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.organization.carto.sandbox"))

    @property
    def owner(self) -> Account:
        """The account that owns it."""
        return next(each for each in self.members if each.org_role == "owner")

    def member(self, name: str) -> Account | None:
        """Return the member of a name, None when there is none."""
        return next((each for each in self.members if each.name == name), None)


def organization_of(state: ServerState, account: Account) -> Organization | None:
    """Return the organization of an account, None when it belongs to none."""
    if account.organization is None:
        return None
    members = [each for each in state.accounts.values() if each.organization == account.organization]
    return Organization(account.organization, members)


class Members:
    """Makes, changes and removes users of organizations.

    Args:
        state: What all endpoints share.
    """

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._store = MemberStore(state)
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Open the table of users."""
        await self._store.start()

    async def stop(self) -> None:
        """Close it."""
        await self._store.stop()

    async def create(self, description: Mapping[str, Any]) -> Account:
        """Make a user, whose master key can be used at once.

        Args:
            description: The account, as `account_from_dict` takes it, without id and keys.

        Raises:
            UserTakenError: There is an account of that name.
        """
        keys = [{"type": "master", "token": secrets.token_hex(MASTER_TOKEN_BYTES)}]
        described = account_from_dict({**description, "user_id": str(uuid.uuid4()), "keys": keys})
        async with self._changing:
            if described.name in self._state.accounts:
                raise UserTakenError
            (account,) = await asyncio.to_thread(provisioning.provision, self._admin, [described])
            await self._store.add(account)
            self._state.accounts[account.name] = account
        return account

    async def change(self, name: str, changes: Mapping[str, Any]) -> Account:
        """Change fields of a user's account and return it."""
        async with self._changing:
            account = replace(self._state.accounts[name], **changes)
            if "quota_bytes" in changes and account.database_url is None:
                await asyncio.to_thread(provisioning.set_quota, self._admin, account)
            account = self._state.accounts[name] = replace(self._state.accounts[name], **changes)
            await self._store.change(account)
        return account

    async def delete(self, name: str) -> None:
        """Remove a user with all that it has, and end what it runs."""
        async with self._changing:
            account = self._state.accounts.pop(name)
            own = [account.conninfo(key, self._state.cluster_conninfo) for key in account.keys]
            for conninfo in (admin_conninfo(self._state, account), *own):
                await self._state.pool.forget(conninfo)
            await asyncio.to_thread(provisioning.remove, self._admin, account)

    @property
    def _admin(self) -> str:
        return self._state.options.conninfo
