"""``/api/v1/organization/NAME/users`` and ``/api/v2/...``: an organization's owner and admins manage its users."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import member_request
from carto.sandbox.accounts import SOFT_LIMITS, Account
from carto.sandbox.member_request import InvalidUserError
from carto.sandbox.members import Members, Organization, UserTakenError, organization_of
from carto.sandbox.paging import Page, WrongParameterError
from carto.sandbox.parameters import js_string
from carto.sandbox.rails_endpoint import RailsCall, RailsError, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.user_presenter import COUNTS, PROFILE, Json, public_user, user_object
from carto.sandbox.visualization_presenter import base_url
from carto.sandbox.visualizations_store import open_catalog

PAGE_SIZE = 50
ORDERS = ("username", "updated_at")
_IS_SHARING = "SELECT EXISTS (SELECT FROM carto_sandbox.visualizations WHERE acl <> '[]') AS is_sharing"


class PlainError(RailsError):
    """An answer that is an error in plain text, although it is said to be JSON."""

    def response(self) -> Response:
        """Make the answer."""
        return _plain(self.body, self.status)


@dataclass(frozen=True)
class _Admin:
    """An admin's call.

    Attributes:
        call: The request.
        members: Changes the users.
        organization: The organization.
    """

    call: RailsCall
    members: Members
    organization: Organization

    @property
    def user(self) -> Account:
        """The user that the path names.

        Raises:
            PlainError: 404, there is none.
        """
        name = self.call.request.path_params["username"]
        user = self.organization.member(name)
        if user is None:
            raise PlainError(404, f"No user with username '{name}' in '{self.organization.name}'")
        return user

    def check_may_edit(self, user: Account) -> None:
        """Refuse admins who touch the owner or another admin.

        Raises:
            RailsError: 401.
        """
        is_equal = user.is_org_admin and user.name != self.call.account.name
        if is_equal and self.call.account.org_role != "owner":
            raise _not_permitted()


_Handler = Callable[[_Admin], Awaitable[Response]]


def routes(state: ServerState, members: Members) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        members: Changes the users.
    """

    def of_admin(handler: _Handler) -> Any:
        return rails_endpoint(state, partial(_for_admin, handler, members))

    users, user = "organization/{organization}/users", "organization/{organization}/users/{username}"
    handlers = ((users, create, "POST"), (user, show, "GET"), (user, update, "PUT"), (user, delete, "DELETE"))
    return [
        *rails_routes(f"v1/{users}", rails_endpoint(state, show_page), ["GET"]),
        *rails_routes(f"v2/{users}", of_admin(list_users), ["GET"]),
        *(
            route
            for version in ("v1", "v2")
            for path, handler, verb in handlers
            for route in rails_routes(f"{version}/{path}", of_admin(handler), [verb])
        ),
        *rails_routes("v1/org", rails_endpoint(state, show_organization), ["GET"]),
    ]


async def _for_admin(handler: _Handler, members: Members, call: RailsCall) -> Response:
    """Let the admins of the organization of the path in.

    Raises:
        RailsError: 401, the caller is none.
    """
    organization = organization_of(call.state, call.account)
    wanted = call.request.path_params["organization"]
    if organization is None or wanted not in (organization.name, organization.id) or not call.account.is_org_admin:
        raise RailsError(401, {})
    try:
        return await handler(_Admin(call, members, organization))
    except InvalidUserError as error:
        raise RailsError(410, error.messages) from error


async def list_users(admin: _Admin) -> Response:
    """Answer with all users of the organization."""
    return rails_json([await _form(admin.call, user) for user in admin.organization.members])


async def show(admin: _Admin) -> Response:
    """Answer with one user."""
    return rails_json(await _form(admin.call, admin.user))


async def create(admin: _Admin) -> Response:
    """Make a user, which is there when the answer comes."""
    params, state = admin.call.params, admin.call.state
    description = member_request.new_member(params, admin.organization.owner, state.accounts)
    if "org_role" in description and admin.call.account.org_role != "owner":
        raise _not_permitted()
    try:
        user = await admin.members.create(description)
    except UserTakenError as error:
        raise InvalidUserError(["Username has already been taken"]) from error
    except psycopg.Error as error:
        raise PlainError(500, "An error has ocurred. Please contact support") from error
    return rails_json(await _form(admin.call, user))


async def update(admin: _Admin) -> Response:
    """Change what is sent of a user."""
    user, params = admin.user, admin.call.params
    admin.check_may_edit(user)
    if not set(member_request.CHANGEABLE) & set(params):
        raise PlainError(410, "No update params provided")
    changes = member_request.changes(params, user, admin.organization.owner)
    if changes.get("org_role", user.org_role) != user.org_role:
        if admin.call.account.org_role != "owner":
            raise _not_permitted()
        if user.org_role == "owner":  # there has to be one
            del changes["org_role"]
    return rails_json(await _form(admin.call, await admin.members.change(user.name, changes)))


async def delete(admin: _Admin) -> Response:
    """Delete a user with all that it has."""
    user = admin.user
    admin.check_may_edit(user)
    if user.org_role == "owner":
        raise PlainError(401, "Can't delete org owner")
    if "force" not in admin.call.params and await _is_sharing(admin.call.state, user):
        raise PlainError(401, "Can't delete user. Has shared entities")
    try:
        await admin.members.delete(user.name)
    except psycopg.Error as error:
        raise PlainError(500, f"User couldn't be deleted: {error.diag.message_primary}") from error
    return _plain("User deleted")


async def show_page(call: RailsCall) -> Response:
    """Answer a member with a page of the users of the organization, whose id is in the path."""
    organization = organization_of(call.state, call.account)
    if organization is None or call.request.path_params["organization"] != organization.id:
        raise RailsError(401, {})
    try:
        page = Page.asked_for(call.params, ORDERS, order="username", direction="asc", size=PAGE_SIZE)
    except WrongParameterError as error:
        raise RailsError(400, {"errors": str(error), "errors_cause": None}) from error
    q = js_string(call.params.get("q", ""))
    found = [user for user in organization.members if not q or q in user.name or q == user.email]
    for order, direction in reversed(page.orders):
        if order == "username":
            found.sort(key=lambda user: user.name, reverse=direction == "desc")
    shown = [await _shown_to(call, user) for user in found[page.first_entry :][: page.size]]
    return rails_json({"users": shown, "total_user_entries": len(found), "total_entries": len(shown)})


async def show_organization(call: RailsCall) -> Response:
    """Answer with the organization of the account."""
    organization = organization_of(call.state, call.account)
    if organization is None:
        raise RailsError(404)
    return rails_json(organization_object(call, organization))


def organization_object(call: RailsCall, organization: Organization) -> Json:
    """Show an organization; what belongs to plans is left out.

    Args:
        call: The request.
        organization: The organization.
    """
    owner = user_object(organization.owner, base_url(call, organization.owner.name), defaultdict(int))
    shown = {key: owner[key] for key in ("id", "username", "avatar_url", "email")}
    return {
        "id": organization.id,
        "name": organization.name,
        "display_name": organization.name,
        "owner": {**shown, "groups": []},
        "admins": [{"id": each.user_id} for each in organization.members if each.org_role == "admin"],
        "user_count": len(organization.members),
        "admin_email": shown["email"],
    }


async def _form(call: RailsCall, user: Account) -> Json:
    """Show a user to an admin."""
    async with open_catalog(call.state, user) as catalog:
        counts = (await catalog.rows(COUNTS))[0]
        (size,) = await catalog.rows("SELECT cartodb.CDB_UserDataSize('public') AS db_size_in_bytes")
    shown = user_object(user, base_url(call, user.name), counts)
    del shown["id"]
    return {
        **shown,
        **size,
        **dict.fromkeys(PROFILE),
        "soft_geocoding_limit": SOFT_LIMITS[0] in user.soft_limits,
        "api_key": user.master_key.token,
    }


async def _shown_to(call: RailsCall, user: Account) -> Json:
    async with open_catalog(call.state, user) as catalog:
        shown = user_object(user, base_url(call, user.name), (await catalog.rows(COUNTS))[0])
    return shown if call.account.is_org_admin or user.name == call.account.name else public_user(shown)


async def _is_sharing(state: ServerState, user: Account) -> bool:
    async with open_catalog(state, user) as catalog:
        return bool((await catalog.rows(_IS_SHARING))[0]["is_sharing"])


def _not_permitted() -> RailsError:
    return RailsError(401, {"errors": ["You do not have permissions to edit that user"]})


def _plain(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="application/json; charset=utf-8")
