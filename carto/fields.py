"""Fields: the attributes of a resource, and how the server's JSON becomes Python values.

They keep what the server sent and convert it when somebody looks, since most
of a listing is never looked at. Null stays None, in every kind of field.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, overload

from pyrestcli import fields as pyrestcli_fields

from carto.exceptions import CartoUsageException

if TYPE_CHECKING:
    from carto.resources import Resource

PRIVACY_PUBLIC = "public"
PRIVACY_PASSWORD = "password"  # noqa: S105  # the server's word for a kind of privacy

_Self = TypeVar("_Self", bound="Field")


class Field(pyrestcli_fields.Field):
    """An attribute of a resource that is stored as it comes.

    Args:
        many: Whether it holds a list.
    """

    name: str

    def __init__(self, many: bool = False) -> None:
        super().__init__(many)

    @overload
    def __get__(self: _Self, instance: None, owner: type) -> _Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Any: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        """Return the value in an instance (None when it was never set), or the field in a class."""
        return self if instance is None else instance.__dict__.get(self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        """Keep a value that the caller assigns; None is remembered, to be sent as null."""
        self.load(instance, value)
        instance.note_assigned(self.name, value)

    def load(self, instance: Any, value: Any) -> None:
        """Keep a value that the server sent."""
        instance.__dict__[self.name] = value


class BooleanField(Field, pyrestcli_fields.BooleanField):
    """A boolean."""


class IntegerField(Field, pyrestcli_fields.IntegerField):
    """An integer."""


class FloatField(Field, pyrestcli_fields.FloatField):
    """A number."""


class CharField(Field, pyrestcli_fields.CharField):
    """A text."""


class DictField(Field, pyrestcli_fields.DictField):
    """A JSON object, as a dictionary."""


class _ConvertedField(Field):
    """A field whose values are converted when somebody looks."""

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        value = instance.__dict__.get(self.name)
        if value is None or self.is_converted(value):
            return value
        converted = self._each(value, lambda item: self.convert(instance, item))
        instance.__dict__[self.name] = converted
        return converted

    def is_converted(self, value: Any) -> bool:
        """Tell whether a value has been converted before."""
        if self.many and isinstance(value, list):
            return all(item is None or self.is_converted_item(item) for item in value)
        return self.is_converted_item(value)

    def is_converted_item(self, item: Any) -> bool:
        """Tell whether one item is what `convert` makes."""
        raise NotImplementedError

    def convert(self, instance: Any, item: Any) -> Any:
        """Make the Python value of one item that is not null."""
        raise NotImplementedError

    def _each(self, value: Any, convert: Callable[[Any], Any]) -> Any:
        if not self.many:
            return convert(value)
        return [item if item is None or self.is_converted_item(item) else convert(item) for item in value]


class DateTimeField(_ConvertedField, pyrestcli_fields.DateTimeField):
    """A point in time: an aware datetime, whichever of the servers' forms it came in."""

    def is_converted_item(self, item: Any) -> bool:
        """Tell whether an item is not a text."""
        return not isinstance(item, str)

    def convert(self, instance: Any, item: Any) -> datetime:
        """Parse a text."""
        return parse_datetime(item)


class ResourceField(_ConvertedField, pyrestcli_fields.ResourceField):
    """A resource inside another, made from its JSON object or from its id alone.

    Args:
        many: Whether it holds a list.
        expand: Whether it is saved as ``{"id": ...}`` and not as the id alone.
    """

    value_class: Any = "pyrestcli.resources.Resource"

    def __init__(self, many: bool = False, expand: bool = False) -> None:
        super().__init__(many)
        self.expand = expand

    def resource_class(self) -> type[Resource]:
        """Import the class when it is first needed: resources refer to each other in circles."""
        if isinstance(self.value_class, str):
            module, _, name = self.value_class.rpartition(".")
            type(self).value_class = getattr(import_module(module), name)
        return cast("type[Resource]", self.value_class)

    def is_converted_item(self, item: Any) -> bool:
        """Tell whether an item is a resource."""
        return hasattr(item, "update_from_dict")

    def convert(self, instance: Any, item: Any) -> Resource:
        """Build a resource of the same client."""
        resource = self.resource_class()(instance.client)
        resource.update_from_dict(item if isinstance(item, dict) else {resource.Meta.id_field: item})
        resource._expand = self.expand
        return resource


class VisualizationField(ResourceField):
    """A `carto.visualizations.Visualization`."""

    value_class = "carto.visualizations.Visualization"


class TableField(ResourceField):
    """A `carto.tables.Table`."""

    value_class = "carto.tables.Table"


class UserField(ResourceField):
    """A `carto.users.User`."""

    value_class = "carto.users.User"


class EntityField(ResourceField):
    """A `carto.permissions.Entity`."""

    value_class = "carto.permissions.Entity"


class PermissionField(ResourceField):
    """A `carto.permissions.Permission`."""

    value_class = "carto.permissions.Permission"


class SynchronizationField(ResourceField):
    """A `carto.synchronizations.Synchronization`."""

    value_class = "carto.synchronizations.Synchronization"


class TableGrantField(ResourceField):
    """A `carto.api_keys.TableGrant`."""

    value_class = "carto.api_keys.TableGrant"


class GrantsField(ResourceField):
    """The `carto.api_keys.Grants` of an API key, which the server writes as a list with one object for each kind."""

    value_class = "carto.api_keys.Grants"
    #: The kind in whose object each field of the grants stands.
    type_field: ClassVar[dict[str, str]] = {"apis": "apis", "tables": "database", "services": "dataservices"}

    def convert(self, instance: Any, item: Any) -> Resource:
        """Build the grants from the server's list, or from an object of their fields."""
        if isinstance(item, list):
            by_kind = {grant.get("type"): grant for grant in item if isinstance(grant, dict)}
            item = {name: by_kind[kind].get(name) for name, kind in self.type_field.items() if kind in by_kind}
        return super().convert(instance, item)


class Base64EncodedField(CharField):
    """A text that is kept and sent as base64 of its UTF-8 bytes; anything else than a text is an empty one."""

    def __set__(self, instance: Any, value: Any) -> None:
        text = value if isinstance(value, str) else ""
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise CartoUsageException(f"{self.name} can't be written as UTF-8: half a surrogate pair at position "
                                      f"{error.start}") from None
        super().__set__(instance, base64.b64encode(data).decode())


class PasswordAndPrivacyFields(CharField):
    """A password that carries the privacy with it: a password protects, None or an empty text makes public."""

    def __set__(self, instance: Any, value: Any) -> None:
        if not isinstance(value, (str, type(None))):
            raise CartoUsageException(f"{self.name} must be a text, or None for no protection, "
                                      f"not {type(value).__name__}")
        super().__set__(instance, value or None)
        instance.privacy = PRIVACY_PASSWORD if value else PRIVACY_PUBLIC


def parse_datetime(text: str) -> datetime:
    """Read a point in time in any of the forms of CARTO's servers.

    Args:
        text: Such as ``2018-11-05T13:29:52.197Z``, ``2018-11-05 13:29:52 UTC`` or ``2018-02-08``.

    Returns:
        An aware datetime; without an offset the text is taken as UTC.

    Raises:
        ValueError: It is no point in time.
    """
    iso = f"{text[:-1]}+00:00" if text.endswith("Z") else text
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        from dateutil.parser import parse  # slow to import, and rarely needed

        moment = parse(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
