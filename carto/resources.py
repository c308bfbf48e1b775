"""Resources and managers: the objects of the servers' APIs and the collections they live in.

A new resource is a declaration: its fields, its endpoint, and a manager that names
it. How they are listed, read, saved and deleted stands here, once::

    class Thing(Resource):
        id = CharField()
        name = CharField()

        class Meta:
            collection_endpoint = "api/v1/things/"
            name_field = "name"

    class ThingManager(Manager):
        resource_class = Thing
        json_collection_attribute = "things"
"""

from __future__ import annotations

import copy
import itertools
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote

from pyrestcli import exceptions as pyrestcli_exceptions
from pyrestcli import resources as pyrestcli_resources
from pyrestcli.fields import Field as PyrestcliField
from requests import Response

from carto.auth import SendsRequests, data_of, send_with
from carto.display import Listing
from carto.exceptions import CartoException as CartoException  # scripts import it from here, too
from carto.exceptions import CartoInvalidResponseException, CartoUsageException
from carto.paginators import PAGE_SIZE, CartoPaginator, items_of

_JSON = {"content-type": "application/json"}
_warned: set[type] = set()

R = TypeVar("R", bound="Resource")
_Self = TypeVar("_Self", bound="Resource")


class NonPublicAPIWarning(FutureWarning):
    """An API that CARTO did not publish is used: the server may change it without notice."""


def resource_path(collection: str, resource_id: Any) -> str | None:
    """Form the path of a resource.

    Args:
        collection: The path of its collection, with or without a trailing slash.
        resource_id: Its id, which is percent-encoded here and nowhere else; None gives None.

    Returns:
        The path, without a trailing slash.

    Raises:
        CartoUsageException: The id is empty, or would lead to another resource.
    """
    if resource_id is None:
        return None
    text = str(resource_id)
    if text in ("", ".", ".."):
        raise CartoUsageException(f"{text!r} is not an id")
    return f"{collection.removesuffix('/')}/{quote(text, safe='')}"


class _Connected(pyrestcli_resources.APIConnected):
    """What resources and managers share: a client, and a place in the API.

    Attributes:
        api_key_in: ``query`` where the server looks for the key there alone; None leaves it to the client.
    """

    client: Any
    api_key_in: ClassVar[str | None] = None

    class Meta:
        """Where the collection is, and whether its answers are JSON."""

        collection_endpoint: ClassVar[str | None] = None
        parse_json = True

    def send(self, url: str, http_method: str, **client_args: Any) -> Response:
        """Send a request through the client.

        Args:
            url: The path below the client's base URL.
            http_method: The verb.
            **client_args: What the client's `send` takes.

        Returns:
            The answer, whatever its status.

        Raises:
            CartoUsageException: There is no client.
        """
        if self.client is None:
            raise CartoUsageException(f"this {type(self).__name__} has no client to send with (pickles are without): "
                                      "assign one to its attribute client, or read it again")
        return send_with(self.client, url, http_method, **{"api_key_in": self.api_key_in, **client_args})


class ResourceMetaclass(pyrestcli_resources.ResourceMetaclass):
    """Collects the fields of a class and of its bases, and gives each class a Meta of its own."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        """Make the class with a Meta that inherits from those of all bases."""
        metas = [vars(namespace["Meta"])] if "Meta" in namespace else []
        parents = tuple(dict.fromkeys(base.Meta for base in bases if hasattr(base, "Meta")))
        own = {key: value for meta in metas for key, value in meta.items() if key not in ("__dict__", "__weakref__")}
        return super().__new__(mcs, name, bases, {**namespace, "Meta": type("Meta", parents, own)})

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:  # noqa: N805
        super().__init__(name, bases, namespace)
        found: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            found.update((key, value) for key, value in vars(base).items() if isinstance(value, PyrestcliField))
        for key, field in found.items():
            field.name = key
        cls.fields = list(found)


class Resource(_Connected, pyrestcli_resources.Resource, metaclass=ResourceMetaclass):
    """One object of an API.

    Args:
        auth_client: The client to send with.
        **kwargs: Initial values of fields.
    """

    fields: ClassVar[list[str]]
    _expand = False
    _cleared: frozenset[str] = frozenset()

    class Meta(_Connected.Meta):
        """How the API identifies the resource, what people call it, and what it takes.

        Where no fields are named, `save` sends all that have a value. Secret fields are
        not shown; pickles and copies are without them. Pickles are without the client as well.
        """

        id_field = "id"
        name_field = "id"
        json_data = True
        saved_fields: ClassVar[tuple[str, ...]] = ()
        secret_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, auth_client: SendsRequests, **kwargs: Any) -> None:
        self.client = auth_client
        for name, value in kwargs.items():
            setattr(self, name, value)

    @classmethod
    def get_collection_endpoint(cls) -> str:
        """Return the path of the collection as it is declared: some releases of pyrestcli add a slash."""
        endpoint = cls.Meta.collection_endpoint
        return f"{cls.__name__.lower()}s/" if endpoint is None else endpoint

    def get_id(self) -> Any:
        """Return the value of the field that identifies the resource, or None."""
        return getattr(self, self.Meta.id_field, None)

    def get_resource_endpoint(self) -> str | None:
        """Return the path of the resource, or None when it has no id."""
        return resource_path(self.get_collection_endpoint(), self.get_id())

    def update_from_dict(self, attribute_dict: Mapping[str, Any]) -> None:
        """Take over the fields of an answer; what is no field is left out.

        Args:
            attribute_dict: The parsed answer.
        """
        names = frozenset(self.fields)
        for name, value in attribute_dict.items():
            if name in names:
                load = getattr(getattr(type(self), name, None), "load", None)
                if load is None:
                    setattr(self, name, value)
                else:
                    load(self, value)
        if self._cleared:
            self._cleared = self._cleared.difference(attribute_dict)

    def note_assigned(self, name: str, value: Any) -> None:
        """Remember a field that None was assigned to, so that `save` sends null for it."""
        if value is None:
            self._cleared |= {name}
        elif name in self._cleared:
            self._cleared -= {name}

    def send(self, url: str, http_method: str, **client_args: Any) -> Response:
        """Send a request, and take over the fields of its answer.

        Args:
            url: The path below the client's base URL.
            http_method: The verb.
            **client_args: What the client's `send` takes.

        Returns:
            The answer.

        Raises:
            CartoResponseException: The answer is an error.
        """
        response = super().send(url, http_method, **client_args)
        has_fields = http_method.lower() != "delete"  # what is said of a deletion may be plain text
        data = data_of(self.client, response, self.Meta.parse_json and has_fields)
        if isinstance(data, Mapping):
            self.update_from_dict(data)
        return response

    def save(self, force_create: bool = False, fields: Iterable[str] | None = None) -> Response:
        """Create the resource, or update it when it has an id.

        Every field that has a value is sent, and null for those that None was assigned to.

        Args:
            force_create: Whether to create it also when it has an id.
            fields: The names of the fields to send; all that the server takes when not given.

        Returns:
            The answer.

        Raises:
            CartoResponseException: The server refused.
        """
        values = self._values((self.Meta.saved_fields or self.fields) if fields is None else fields)
        body = {"headers": dict(_JSON), "json": values} if self.Meta.json_data else {"data": values}
        path = None if force_create else self.get_resource_endpoint()
        if path is None:
            return self.send(self.get_collection_endpoint(), "post", **body)
        return self.send(path, "put", **body)

    def refresh(self) -> Response | None:
        """Read the resource again; without an id nothing is sent and None is returned."""
        path = self.get_resource_endpoint()
        return None if path is None else self.send(path, "get", idempotent=True)

    def delete(self) -> Response | None:
        """Delete the resource on the server; without an id nothing is sent and None is returned."""
        path = self.get_resource_endpoint()
        return None if path is None else self.send(path, "delete")

    def _values(self, names: Iterable[str]) -> dict[str, Any]:
        """Collect what `save` sends: references to other resources, not the resources themselves."""
        values = {}
        for name in names:
            value = _sent_value(getattr(self, name))
            if value is not None or name in self._cleared:
                values[name] = value
        return values

    def __getstate__(self) -> dict[str, Any]:
        shown = {name: value for name, value in self.__dict__.items() if name not in self.Meta.secret_fields}
        return {**shown, "client": None}  # it holds a key

    def __copy__(self: _Self) -> _Self:
        copied = type(self).__new__(type(self))
        vars(copied).update(self.__getstate__(), client=self.client)
        return copied

    def __deepcopy__(self: _Self, memo: dict[int, Any]) -> _Self:
        copied = memo[id(self)] = copy.copy(self)
        vars(copied).update(copy.deepcopy(vars(copied), memo))
        return copied

    def __str__(self) -> str:
        name = getattr(self, self.Meta.name_field, None)
        return str(name) if name is not None and self.Meta.name_field not in self.Meta.secret_fields else repr(self)

    def __repr__(self) -> str:
        shown = {field: getattr(self, field, None) for field in (self.Meta.id_field, self.Meta.name_field)
                 if field not in self.Meta.secret_fields}
        text = " ".join(f"{field}={value!r}" for field, value in shown.items() if value is not None)
        return f"<{type(self).__name__}{' ' if text else ''}{text}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Resource) or type(other) is not type(self) or self.get_id() is None:
            return self is other
        return bool(self.get_id() == other.get_id())

    def __hash__(self) -> int:
        return object.__hash__(self) if self.get_id() is None else hash((type(self), self.get_id()))


class Manager(_Connected, pyrestcli_resources.Manager, Generic[R]):
    """A collection of resources. Threads may share one.

    Args:
        auth_client: The client to send with.

    Attributes:
        resource_class: The class of its resources.
        json_collection_attribute: Where the resources stand in an answer, or None when it is the list itself.
        paginator_class: How its pages are walked through.
        paged: Whether the server cuts the list into pages of a size that can be asked for.
    """

    resource_class: Any = None
    json_collection_attribute: str | None = "data"
    paginator_class: Any = CartoPaginator
    paged = False

    def __init__(self, auth_client: SendsRequests) -> None:
        self.client = auth_client
        self.paginator = self._new_paginator()

    @classmethod
    def get_collection_endpoint(cls) -> str:
        """Return the path of the collection."""
        return str(cls.resource_class.get_collection_endpoint())

    @classmethod
    def get_resource_endpoint(cls, resource_id: Any) -> str | None:
        """Return the path of one resource.

        Args:
            resource_id: Its id.
        """
        return resource_path(cls.get_collection_endpoint(), resource_id)

    def get(self, resource_id: Any) -> R:
        """Read one resource.

        Args:
            resource_id: Its id.

        Returns:
            The resource.

        Raises:
            CartoNotFoundException: There is none.
            CartoUsageException: There is no id.
        """
        path = self.get_resource_endpoint(resource_id)
        if path is None:
            raise CartoUsageException(f"{type(self).__name__}.get needs an id")
        return self._built(data_of(self.client, self.send(path, "get", idempotent=True), self.Meta.parse_json))

    def get_or_none(self, resource_id: Any) -> R | None:
        """Read one resource.

        Args:
            resource_id: Its id.

        Returns:
            The resource, or None when there is none.
        """
        try:
            return self.get(resource_id)
        except pyrestcli_exceptions.NotFoundException:
            return None

    def filter(self, **search_args: Any) -> list[R]:
        """Read all resources that match.

        Args:
            **search_args: Parameters of the listing; their names are the server's.

        Returns:
            The whole list.
        """
        return Listing(self.iterate(**search_args))

    def all(self) -> list[R]:
        """Read all resources.

        Returns:
            The whole list.
        """
        return self.filter()

    def iterate(self, *, page_size: int | None = None, limit: int | None = None, **search_args: Any) -> Iterator[R]:
        """Go through the resources that match; each page is asked for when its first item is wanted.

        Args:
            page_size: How many to ask for at a time.
            limit: How many to stop after.
            **search_args: Parameters of the listing; their names are the server's.

        Returns:
            An iterator of resources.
        """
        for name, number in (("page_size", page_size), ("limit", limit)):
            if number is not None and (not isinstance(number, int) or number < 1):
                raise CartoUsageException(f"{name} must be a number from 1 upwards, not {number!r}")
        if self.paged:
            size = page_size or (min(PAGE_SIZE, limit) if limit else PAGE_SIZE)
            search_args.setdefault("per_page", size)
        items = itertools.chain.from_iterable(page for _, page in self._pages(search_args))
        return map(self._built, itertools.islice(items, limit))

    def create(self, **kwargs: Any) -> R:
        """Create a resource.

        Args:
            **kwargs: The values of its fields.

        Returns:
            The resource, with what the server added.
        """
        resource: R = self._new_resource()
        for name, value in kwargs.items():
            if name in resource.fields and value is not None:
                setattr(resource, name, value)
        resource.save(force_create=True)
        return resource

    def _pages(self, search_args: Mapping[str, Any]) -> Iterator[tuple[Response, list[Any]]]:
        """Go through the answers, each with the items in it."""
        paginator = self._new_paginator()
        for url, page_args in paginator.get_urls(self.get_collection_endpoint()):
            response = self.send(url, "get", params={**search_args, **page_args}, idempotent=True)
            data = data_of(self.client, response, self.Meta.parse_json)
            items = items_of(data, self.json_collection_attribute)
            if items is None:
                raise CartoInvalidResponseException(
                    response, f"the answer has no list of {self.json_collection_attribute or 'items'}")
            if isinstance(paginator, CartoPaginator):
                paginator.process_data(data)
            else:
                paginator.process_response(response)
            yield response, items

    def _new_paginator(self) -> Any:
        """Make the state of one listing: a manager that kept it could not be shared by threads."""
        base_url = getattr(self.client, "base_url", "")
        if issubclass(self.paginator_class, CartoPaginator):
            return self.paginator_class(self.json_collection_attribute, base_url)
        return self.paginator_class(base_url)

    def _new_resource(self) -> R:
        resource: R = self.resource_class(self.client)
        return resource

    def _built(self, data: Any) -> R:
        resource = self._new_resource()
        if isinstance(data, Mapping):
            resource.update_from_dict(data)
        return resource


class AsyncResource(Resource):
    """A job that the server runs: created by `run`, then read by `refresh` until it has ended."""

    def run(self, **client_params: Any) -> None:
        """Start the job.

        Args:
            **client_params: What the client's `send` takes.

        Raises:
            CartoResponseException: The server refused.
        """
        self.send(self.get_collection_endpoint(), "post", **client_params)

    def refresh(self) -> None:
        """Read the state of the job.

        Raises:
            CartoUsageException: The job has no id yet.
        """
        if super().refresh() is None:
            raise CartoUsageException("the job has no id: run or retrieve it first")


class SavesChanges(Resource):
    """A resource of which `save` sends what was changed, where others send all that they know.

    For servers that act on every field that they are sent, also on one that is as before.
    """

    _changed: frozenset[str] = frozenset()

    def note_assigned(self, name: str, value: Any) -> None:
        """Remember which fields were assigned to since the last `save`."""
        super().note_assigned(name, value)
        self._changed |= {name}

    def save(self, force_create: bool = False, fields: Iterable[str] | None = None) -> Response:
        """Create the resource, or send what was changed of it since it was read or saved.

        Args:
            force_create: Whether to create it also when it has an id.
            fields: The names of the fields to send; all that the server takes and that were changed when not given.

        Returns:
            The answer.

        Raises:
            CartoResponseException: The server refused.
        """
        if fields is None and not force_create and self.get_id() is not None:
            fields = [name for name in self.Meta.saved_fields if name in self._changed]
        response = super().save(force_create, fields)
        self._changed = frozenset()
        return response


class _Warns:
    """Mixed into resources of APIs that CARTO did not publish."""

    def __init__(self, auth_client: SendsRequests, **kwargs: Any) -> None:
        if type(self) not in _warned:
            _warned.add(type(self))
            warnings.warn(f"{type(self).__name__} uses a non-public API of CARTO, which may change without notice",
                          NonPublicAPIWarning, stacklevel=_frames_within())
        super().__init__(auth_client, **kwargs)  # type: ignore[call-arg]  # mixed in before a resource


class WarnResource(_Warns, Resource):
    """A resource of an API that CARTO did not publish; the first one of each class warns."""


class WarnAsyncResource(_Warns, AsyncResource):
    """A job of an API that CARTO did not publish; the first one of each class warns."""


def _frames_within() -> int:
    """Count the frames up to the caller of this package, so that a warning shows a line of the caller's."""
    frame, count = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "carto":
        frame, count = frame.f_back, count + 1
    return count


def _sent_value(value: Any) -> Any:
    if isinstance(value, Resource):
        return {"id": value.get_id()} if value._expand else value.get_id()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return None if value and isinstance(value[0], Resource) else [_sent_value(item) for item in value]
    return value

