"""Users of an organization, and the user of an account (a non-public API)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carto.auth import SendsRequests
from carto.exceptions import CartoUsageException
from carto.fields import BooleanField, CharField, IntegerField
from carto.resources import Manager, WarnResource, resource_path

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/organization/{organization}/users/"
API_NONORG_ENDPOINT = "api/{api_version}/users/"


def _collection_endpoint(client: SendsRequests) -> str:
    """Form the path of the users: those of the client's organization, if it has one."""
    organization = getattr(client, "organization", None)
    template = API_ENDPOINT if organization else API_NONORG_ENDPOINT
    return template.format(api_version=API_VERSION, organization=organization)


class User(WarnResource):
    """A user; its id is the user name.

    Attributes:
        quota_in_bytes: How much the user may store.
        password: To be set for a new user, or to change it; the server does not tell it.
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

    class Meta:
        """A user is known by its user name."""

        id_field = "username"
        name_field = "username"

    def get_collection_endpoint(self) -> str:  # type: ignore[override]  # the path depends on the client
        """Return the path of the users."""
        return _collection_endpoint(self.client)


class UserManager(Manager[User]):
    """Reads and creates users; the server does not list them."""

    resource_class = User
    json_collection_attribute = "users"

    def get_collection_endpoint(self) -> str:  # type: ignore[override]  # the path depends on the client
        """Return the path of the users."""
        return _collection_endpoint(self.client)

    def get_resource_endpoint(self, resource_id: Any) -> str | None:  # type: ignore[override]  # as above
        """Return the path of one user.

        Args:
            resource_id: The user name.
        """
        return resource_path(self.get_collection_endpoint(), resource_id)

    def iterate(self, *, page_size: int | None = None, limit: int | None = None, **search_args: Any) -> Iterator[User]:
        """Refuse: there is no listing of users.

        Raises:
            CartoUsageException: Always.
        """
        raise CartoUsageException("the API has no list of users: get them by their names")
