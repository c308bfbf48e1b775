"""Users: the account's own, and those of an organization (a non-public API).

The client's ``organization`` decides: with one, its owner and its admins read,
list, create, change and delete its users; without one there is only the account's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from requests import Response

from carto.auth import SendsRequests, data_of
from carto.exceptions import CartoException as CartoException  # scripts import it from here, too
from carto.exceptions import CartoInvalidResponseException, CartoUsageException
from carto.fields import BooleanField, CharField, IntegerField
from carto.paginators import items_of
from carto.resources import Manager, SavesChanges, WarnResource, resource_path

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/organization/{organization}/users/"
API_NONORG_ENDPOINT = "api/{api_version}/users/"

#: The version whose list is that of an organization's name; the first one has another list there.
_LIST_API_VERSION = "v2"


def _organization(client: SendsRequests) -> Any:
    return getattr(client, "organization", None)


def _collection_endpoint(client: SendsRequests, api_version: str = API_VERSION) -> str:
    """Form the path of the users: those of the client's organization, if it has one."""
    organization = _organization(client)
    if not organization:
        return API_NONORG_ENDPOINT.format(api_version=api_version)
    return API_ENDPOINT.format(api_version=api_version, organization=quote(str(organization), safe=""))


class User(SavesChanges, WarnResource):
    """A user; its id is the user name.

    An organization's owner and its admins change email, password, quota_in_bytes, the
    soft limits and viewer, its owner org_admin as well.

    Attributes:
        quota_in_bytes: How much the user may store.
        soft_geocoding_limit: Whether geocoding goes on beyond the quota, and is charged; so for the other limits.
        force_password_change: Whether a new user has to choose another password at first.
        password: To be set for a new user, or to change it; the server does not tell it, and it is not shown,
            pickled or copied with the rest.
        viewer: Whether the user only reads.
        org_admin: Whether the user is an admin of the organization.
    """

    all_visualization_count = IntegerField()
    available_for_hire = BooleanField()
    avatar_url = CharField()
    base_url = CharField()
    db_size_in_bytes = IntegerField()
    description = CharField()
    disqus_shortname = CharField()
    email = CharField()
    google_maps_query_string = CharField()
    last_name = CharField()
    location = CharField()
    name = CharField()
    org_admin = BooleanField()
    org_user = BooleanField()
    password = CharField()
    public_visualization_count = IntegerField()
    quota_in_bytes = IntegerField()
    remove_logo = BooleanField()
    soft_geocoding_limit = IntegerField()
    table_count = IntegerField()
    twitter_username = CharField()
    username = CharField()
    viewer = BooleanField()
    website = CharField()
    soft_here_isolines_limit = BooleanField()
    soft_twitter_datasource_limit = BooleanField()
    soft_mapzen_routing_limit = BooleanField()
    force_password_change = BooleanField()

    display_columns = ("username", "email", "table_count", "quota_in_bytes", "db_size_in_bytes", "org_admin")

    class Meta:
        """A user is known by its user name; what cannot be changed is not sent."""

        id_field = "username"
        name_field = "username"
        saved_fields = ("username", "email", "password", "quota_in_bytes", "soft_geocoding_limit",
                        "soft_here_isolines_limit", "soft_twitter_datasource_limit", "soft_mapzen_routing_limit",
                        "viewer", "org_admin", "force_password_change")
        secret_fields = ("password",)

    def get_collection_endpoint(self) -> str:  # type: ignore[override]  # the path depends on the client
        """Return the path of the users."""
        return _collection_endpoint(self.client)

    def delete(self, *, force: bool = False) -> Response | None:
        """Delete the user of an organization; without a user name nothing is sent and None is returned.

        Args:
            force: Whether to delete it also when it shares datasets or maps with others.

        Returns:
            The answer.

        Raises:
            CartoUnauthorizedException: It is the owner, it shares something, or the caller is no admin.
            CartoNotFoundException: There is no such user.
        """
        path = self.get_resource_endpoint()
        if path is None:
            return None
        return self.send(path, "delete", **({"params": {"force": "true"}} if force else {}))


class UserManager(Manager[User]):
    """The users of an organization; without one, the account's own.

    `all` and `filter` are for the organization's owner and its admins; `filter` takes
    fields of users, such as ``org_admin=True``.

    Example:
        >>> UserManager(auth_client).get("me").username
        'me'
    """

    resource_class = User
    json_collection_attribute = None

    def get_collection_endpoint(self) -> str:  # type: ignore[override]  # the path depends on the client
        """Return the path of the users."""
        return _collection_endpoint(self.client)

    def get_resource_endpoint(self, resource_id: Any) -> str | None:  # type: ignore[override]  # as above
        """Return the path of one user.

        Args:
            resource_id: The user name.
        """
        return resource_path(self.get_collection_endpoint(), resource_id)

    def _pages(self, search_args: Mapping[str, Any]) -> Iterator[tuple[Response, list[Any]]]:
        """Refuse what is not listed, before anything is sent."""
        if not _organization(self.client):
            raise CartoUsageException("only the users of an organization are listed: make the client with "
                                      "organization=, or get the account's own by its name")
        unknown = sorted(search_args.keys() - set(self.resource_class.fields))
        if unknown:
            raise CartoUsageException(f"users have no {', '.join(unknown)} to be found by")
        return self._matching(search_args)

    def _matching(self, search_args: Mapping[str, Any]) -> Iterator[tuple[Response, list[Any]]]:
        """Compare here, since the server gives all of them at once, whatever is asked for."""
        response = self.send(_collection_endpoint(self.client, _LIST_API_VERSION), "get", idempotent=True)
        items = items_of(data_of(self.client, response), self.json_collection_attribute)
        if items is None:
            raise CartoInvalidResponseException(response, "the answer is no list of users")
        yield response, [item for item in items
                         if all(item.get(name) == value for name, value in search_args.items())]
