"""API keys: who may use which API, which tables and which services of an account.

All of it but reading needs the account's master key. The server changes no key:
one that is to grant something else is deleted and created again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from requests import Response

from carto.exceptions import CartoException as CartoException  # scripts import it from here, too
from carto.exceptions import CartoUsageException
from carto.fields import CharField, DateTimeField, GrantsField, TableGrantField
from carto.resources import Manager, Resource

API_VERSION = "v3"
API_ENDPOINT = "api/{api_version}/api_keys/"

API_SQL = "sql"
API_MAPS = "maps"

PERMISSION_INSERT = "insert"
PERMISSION_SELECT = "select"
PERMISSION_UPDATE = "update"
PERMISSION_DELETE = "delete"

SERVICE_GEOCODING = "geocoding"
SERVICE_ROUTING = "routing"
SERVICE_ISOLINES = "isolines"
SERVICE_OBSERVATORY = "observatory"

_PERMISSIONS = (PERMISSION_SELECT, PERMISSION_INSERT, PERMISSION_UPDATE, PERMISSION_DELETE)


class TableGrant(Resource):
    """What an API key may do with one table.

    Attributes:
        schema: The schema of the table: ``public``, or the user's name in an organization.
        name: The name of the table.
        permissions: A list of PERMISSION_SELECT, PERMISSION_INSERT, PERMISSION_UPDATE and PERMISSION_DELETE.

    Example:
        >>> TableGrant(auth_client, schema="public", name="stores", permissions=["select"])
        <TableGrant public.stores: select>
    """

    schema = CharField()
    name = CharField()
    permissions = CharField(many=True)

    def to_json(self) -> dict[str, Any]:
        """Return the grant as the server takes it.

        Raises:
            CartoUsageException: The schema, the name or the permissions are missing, or are none.
        """
        for part in ("schema", "name"):
            if not isinstance(getattr(self, part), str) or not getattr(self, part):
                raise CartoUsageException(f"a table grant needs a {part}, which is a text, not {getattr(self, part)!r}")
        permissions = [] if isinstance(self.permissions, str) else list(self.permissions or ())
        if not permissions or not set(_PERMISSIONS).issuperset(permissions):
            raise CartoUsageException(f"the permissions for table {self.name} must be a list of "
                                      f"{', '.join(_PERMISSIONS)}, and not {self.permissions!r}")
        return {"schema": self.schema, "name": self.name, "permissions": permissions}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.schema}.{self.name}: {', '.join(map(str, self.permissions or ()))}>"


class Grants(Resource):
    """All that an API key grants.

    Attributes:
        apis: The APIs that take the key: API_SQL, API_MAPS.
        tables: What it may do with which tables: a list of `TableGrant`.
        services: The services that it may spend the account's quota of.
    """

    apis = CharField(many=True)
    tables = TableGrantField(many=True)
    services = CharField(many=True)

    def get_id(self) -> list[dict[str, Any]]:
        """Return the grants as the server takes them: a list with one object for each kind."""
        return [{"type": kind, name: [_json_of(each) for each in getattr(self, name) or ()]}
                for name, kind in GrantsField.type_field.items()]

    def __repr__(self) -> str:
        parts = (f"{name}={getattr(self, name) or []!r}" for name in self.fields)
        return f"<{type(self).__name__} {' '.join(parts)}>"


class APIKey(Resource):
    """An API key; the server knows it by its name.

    Attributes:
        name: Its name, which is its id as well.
        token: The key itself. It is not shown, pickled or copied with the rest.
        type: master, default or regular.
        grants: What it grants; None of keys that were not read.
    """

    name = CharField()
    token = CharField()
    type = CharField()
    created_at = DateTimeField()
    updated_at = DateTimeField()
    grants = GrantsField()

    display_columns = ("name", "type", "created_at", "updated_at")

    class Meta:
        """Where API keys are; a name is all the id they have."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        id_field = "name"
        name_field = "name"
        saved_fields = ("name", "grants")
        secret_fields = ("token",)

    def regenerate_token(self) -> None:
        """Have the server make another token for the key; `token` is then the new one, and the old one is void.

        Clients that were made with the old one are refused from then on.

        Raises:
            CartoUsageException: The key has no name.
            CartoNotFoundException: There is no such key.
        """
        path = self.get_resource_endpoint()
        if path is None:
            raise CartoUsageException("the API key has no name, by which the server would know it")
        self.send(f"{path}/token/regenerate", "post")

    def delete(self) -> None:
        """Delete the key on the server; without a name nothing is sent.

        Raises:
            CartoForbiddenException: It is the master key or the default one.
            CartoNotFoundException: There is no such key.
        """
        super().delete()

    def save(self, force_create: bool = False, fields: Iterable[str] | None = None) -> Response:
        """Create the key.

        Args:
            force_create: Whether to create another like it when it came from the server.
            fields: The names of the fields to send: name and grants when not given.

        Returns:
            The answer.

        Raises:
            CartoUsageException: The key is on the server already, which changes none.
            CartoUnprocessableException: There is a key of that name, or it would grant what the account has not.
        """
        if self.token is not None and not force_create:
            raise CartoUsageException(f"the server does not change API keys: delete {self.name!r} and create it again, "
                                      "or call regenerate_token() for another token")
        return super().save(True, fields)


class APIKeyManager(Manager[APIKey]):
    """The API keys of an account.

    A key that is not the master key only sees itself.

    Example:
        >>> keys = APIKeyManager(auth_client)
        >>> stores = {"schema": "public", "name": "stores", "permissions": ["select"]}
        >>> keys.create("reporting", apis=["sql"], tables=[stores]).token
        '...'
        >>> [key.name for key in keys.all()]
        ['Master', 'Default public', 'reporting']
    """

    resource_class = APIKey
    json_collection_attribute = "result"
    paged = True

    def create(  # type: ignore[override]  # a key is made of these and of nothing else
            self, name: str, apis: Sequence[str] = (API_SQL, API_MAPS),
            tables: Sequence[TableGrant | Mapping[str, Any]] | TableGrant | Mapping[str, Any] | None = None,
            services: Sequence[str] | None = None) -> APIKey:
        """Create an API key.

        Args:
            name: Its name.
            apis: The APIs that take it: API_SQL, API_MAPS.
            tables: What it may do with which tables: `TableGrant` objects, or dictionaries with ``schema``,
                ``name`` and ``permissions``. No table when not given.
            services: The services that it may use: SERVICE_GEOCODING, SERVICE_ROUTING, SERVICE_ISOLINES,
                SERVICE_OBSERVATORY. None when not given.

        Returns:
            The key, with its token.

        Raises:
            CartoUsageException: There is no API, or a grant is not complete.
            CartoForbiddenException: The account may not have more keys.
            CartoUnprocessableException: There is a key of that name, or it would grant what the account has not.
        """
        if not isinstance(name, str) or not name.strip():
            raise CartoUsageException(f"an API key needs a name, which is a text, not {name!r}")
        grants = Grants(self.client, apis=_texts("apis", apis), tables=_table_grants(tables),
                        services=_texts("services", services))
        if not grants.apis:
            raise CartoUsageException("apis is empty, so that the key would be of no use: give ['sql', 'maps'], "
                                      "or one of them")
        key: APIKey = self.resource_class(self.client, name=name, grants=grants)
        key.save()
        return key


def _texts(name: str, values: Any) -> list[str]:
    texts = _items(name, "texts", values)
    if not all(isinstance(text, str) for text in texts):
        raise CartoUsageException(f"{name} is a list of texts, not {values!r}")
    return texts


def _table_grants(tables: Any) -> list[Any]:
    """Check that there are grants in any of the forms that are taken; their parts are checked when they are sent."""
    given = [tables] if isinstance(tables, (TableGrant, Mapping)) else _items("tables", "table grants", tables)
    if not all(isinstance(table, (TableGrant, Mapping)) for table in given):
        raise CartoUsageException(f"tables is a list of TableGrant objects or dictionaries, not {tables!r}")
    return [table if isinstance(table, TableGrant) else dict(table) for table in given]


def _items(name: str, what: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, (Iterable, type(None))):
        raise CartoUsageException(f"{name} is a list of {what}, not {values!r}")
    return list(values or ())


def _json_of(value: Any) -> Any:
    return value.to_json() if isinstance(value, TableGrant) else value
