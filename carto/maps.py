"""Maps API: named and anonymous maps, their tiles, images, attributes and dataviews."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from requests import Response

from carto._http.redaction import SECRET_PARAMETERS
from carto.auth import SendsRequests, data_of
from carto.exceptions import CartoBadRequestException, CartoInvalidResponseException, CartoUsageException
from carto.exceptions import CartoException as CartoException  # scripts import it from here, too
from carto.exceptions import CartoRateLimitException as CartoRateLimitException
from carto.fields import CharField, DictField
from carto.paginators import DummyPaginator
from carto.resources import Manager, Resource, resource_path

API_VERSION = "v1"
NAMED_API_ENDPOINT = "api/{api_version}/map/named/"
ANONYMOUS_API_ENDPOINT = "api/{api_version}/map/"

#: A layer by its number in the map, or by its id.
Layer: TypeAlias = "int | str"

T = TypeVar("T")

_JSON = {"content-type": "application/json"}
_MAP_PATH = ANONYMOUS_API_ENDPOINT.format(api_version=API_VERSION)
#: The template id is the template's name; the owner's name may stand before it.
_TEMPLATE_ID = r"(?i)(?:[^/@\s]+@)?[a-z0-9][0-9a-z_-]*"
_REQUIRED_FIELDS = ("version", "name", "layergroup")
_EXPIRED = "Invalid or nonexistent map configuration token"
_EXISTS = "already exists"


class BaseMap(Resource):
    """What named and anonymous maps share: once instantiated, they give tiles, images and data.

    Args:
        auth_client: The client to send with.

    Attributes:
        layergroupid: The token of the instance, or None before `instantiate`.
        metadata: The instance's layers, dataviews and tile URLs (without any key).
        last_updated: When the data of the instance last changed, as the server writes it.
    """

    layergroupid = CharField()
    last_updated = CharField()
    metadata = DictField()
    cdn_url = DictField()

    def __init__(self, auth_client: SendsRequests) -> None:
        super().__init__(auth_client)
        #: The path, body and parameters that it was instantiated with.
        self._instance: tuple[str, dict[str, Any], dict[str, Any]] | None = None

    def get_tile_url(self, x: int, y: int, z: int, layer_id: Layer | None = None, feature_id: Any = None,
                     filter: str | None = None, extension: str = "png") -> str:  # noqa: A002
        """Form the URL of a tile, or of the attributes of a feature; nothing is sent.

        The URL holds the map's own token where it has one, and never an API key:
        `tile` fetches the tiles of private maps.

        Tiles of a named map go by the name of its template: they need no instance and never expire, and show the
        values that the map was last instantiated with, or else the defaults. All else goes by the instance, which
        the server forgets after some hours.

        Args:
            x: The column of the tile.
            y: The row of the tile.
            z: The zoom.
            layer_id: The layer, or None for all.
            feature_id: A feature of the layer whose attributes are wanted.
            filter: Which kinds of layers are drawn, such as ``mapnik``, in place of `layer_id`.
            extension: ``png`` or ``mvt``.

        Returns:
            The URL.

        Raises:
            CartoUsageException: It needs an instance, and there is none: call `instantiate` first.
        """
        if layer_id is not None and feature_id is not None:
            return self.instance_url(f"{layer_id}/attributes/{feature_id}")
        return self._tile_url(layer_id if filter is None else filter, f"{z}/{x}/{y}.{extension}")

    def tile(self, x: int, y: int, z: int, layer: Layer | Sequence[Layer] | None = None, extension: str = "png",
             scale: int = 1) -> bytes:
        """Fetch a tile.

        Args:
            x: The column of the tile.
            y: The row of the tile.
            z: The zoom.
            layer: A layer or several, ``all``, ``mapnik``, ``http`` or ``plain``; all drawn layers when not given.
            extension: ``png``, or ``mvt`` for a vector tile.
            scale: 2 for a tile of double resolution.

        Returns:
            The bytes of the tile; none where a vector tile is empty.

        Raises:
            CartoLimitException: The tile takes longer to draw than the server allows.
            CartoResponseException: The server refused.
        """
        chosen = "" if layer is None else f"{quote(_layers(layer), safe=',')}/"
        resolution = "" if scale == 1 else f"@{scale}x"
        return self._bytes(f"{chosen}{z}/{x}/{y}{resolution}.{extension}")

    def image(self, width: int, height: int, *, center: tuple[float, float] | None = None, zoom: float | None = None,
              bbox: tuple[float, float, float, float] | None = None, layer: Layer | Sequence[Layer] | None = None,
              extension: str = "png") -> bytes:
        """Fetch a picture of the map.

        Args:
            width: Pixels.
            height: Pixels.
            center: Longitude and latitude of its middle, together with `zoom`.
            zoom: The zoom.
            bbox: West, south, east and north in degrees, in place of `center` and `zoom`.
            layer: See `tile`.
            extension: ``png`` or ``jpg``.

        Returns:
            The bytes of the picture.

        Raises:
            CartoUsageException: There is neither a bbox nor a center with a zoom, or they are not numbers.
            CartoResponseException: The server refused.
        """
        size = f"{width}/{height}.{extension}"
        params = {} if layer is None else {"layer": _layers(layer)}
        if bbox is not None:
            return self._bytes(f"{_numbers('bbox', bbox)}/{size}", "static/bbox/", params)
        if center is None or zoom is None:
            raise CartoUsageException("a picture needs bbox=(west, south, east, north), "
                                      "or center=(longitude, latitude) with zoom=")
        longitude, latitude = center
        view = f"{_number('zoom', zoom)}/{_number('center', latitude)}/{_number('center', longitude)}"
        return self._bytes(f"{view}/{size}", "static/center/", params)

    def attributes(self, layer: Layer, feature_id: int) -> dict[str, Any]:
        """Read the attributes of a feature, of those columns that its layer exposes.

        Args:
            layer: The layer.
            feature_id: The feature's ``cartodb_id``.

        Returns:
            The values by column.

        Raises:
            CartoNotFoundException: There is no such feature.
        """
        return self._json(f"{quote(_layers(layer), safe=',')}/attributes/{_segment(feature_id)}")

    def dataview(self, name: str, **params: Any) -> dict[str, Any]:
        """Read a dataview of the map.

        Args:
            name: Its name.
            **params: ``bbox`` (west, south, east, north), ``own_filter``, ``bins``, ``categories``, ...

        Returns:
            The answer, whose form is that of the dataview's type: formula, aggregation or histogram.

        Raises:
            CartoUsageException: A list holds something else than numbers.
            CartoBadRequestException: There is no such dataview, or its options are wrong.
        """
        return self._json(f"dataview/{_segment(name)}", _dataview_params(params))

    def search_dataview(self, name: str, text: str, **params: Any) -> dict[str, Any]:
        """Search the categories of an aggregation; see `dataview`."""
        return self._json(f"dataview/{_segment(name)}/search", {"q": text, **_dataview_params(params)})

    def tilejson(self, kind: str = "raster") -> dict[str, Any]:
        """Return the TileJSON of the map's tiles, as the server gave it, without any key.

        Args:
            kind: ``raster`` or ``vector``.

        Raises:
            CartoUsageException: The map has not been instantiated, or has no tiles of that kind.
        """
        self._token()
        found = ((self.metadata or {}).get("tilejson") or {}).get(kind)
        if found is None:
            raise CartoUsageException(f"the map has no {kind} tiles")
        return dict(found)

    def instance_url(self, place: str) -> str:
        """Form the URL of something of the instance, with the map's own token but never an API key; nothing is sent.

        Args:
            place: What comes after the token of the instance: ``{z}/{x}/{y}.png``, ``dataview/NAME``, ...

        Returns:
            The URL, which can be read without a key where the map is public or has a token.

        Raises:
            CartoUsageException: The map has not been instantiated.
        """
        return self._url(f"{_MAP_PATH}{quote(self._token(), safe='@:')}/{place}", self._auth_params())

    def _repr_html_(self) -> str | None:
        """Show the map in a notebook; None before `instantiate`, so that the notebook shows the plain form."""
        if self.layergroupid is None:
            return None
        # a plain script shows nothing and should load nothing
        from carto.map_view import MapView

        return MapView(self)._repr_html_()

    def _url(self, path: str, params: Mapping[str, Any]) -> str:
        return f"{self.client.base_url}{path}{f'?{urlencode(params, doseq=True)}' if params else ''}"

    def _tile_url(self, drawn: Layer | None, tile: str) -> str:
        return self.instance_url(tile if drawn is None else f"{drawn}/{tile}")

    def _instantiate(self, path: str, body: Mapping[str, Any], params: Mapping[str, Any]) -> None:
        """Instantiate, and keep what for if the server accepts it, to do it again when the instance has expired."""
        kept = copy.deepcopy(_checked_object("params", body))
        # the same request gives the same instance, so it may be repeated
        response = self._sent(path, "post", headers=dict(_JSON), idempotent=True, json=dict(kept), params=dict(params))
        answer = _object_of(self.client, response)
        if answer.get("layergroupid") is None:
            raise CartoInvalidResponseException(response, "the answer has no layergroupid")
        self.update_from_dict({**answer, "metadata": _without_keys(answer.get("metadata"))})
        self._instance = path, kept, dict(params)

    def _fetch(self, place: str, before: str, params: Mapping[str, Any]) -> Response:
        token = self._token()
        query = {**params, **self._auth_params()}
        path = f"{_MAP_PATH}{before}{quote(token, safe='@:')}/{place}"
        return self._sent(path, params=query, idempotent=True)

    def _sent(self, path: str, http_method: str = "get", **args: Any) -> Response:
        return super(Resource, self).send(path, http_method, **args)

    def _read(self, place: str, before: str, params: Mapping[str, Any],
              read: Callable[[SendsRequests, Response], T]) -> T:
        try:
            return read(self.client, self._fetch(place, before, params))
        except CartoBadRequestException as error:
            if self._instance is None or not any(_EXPIRED in text for text in error.errors):
                raise
        self._instantiate(*self._instance)
        return read(self.client, self._fetch(place, before, params))

    def _bytes(self, place: str, before: str = "", params: Mapping[str, Any] | None = None) -> bytes:
        return self._read(place, before, params or {}, _bytes_of)

    def _json(self, place: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._read(place, "", params or {}, _object_of)

    def _token(self) -> str:
        if self.layergroupid is None:
            raise CartoUsageException("the map has no instance yet: call instantiate() first")
        return str(self.layergroupid)

    def _valid_tokens(self) -> list[str]:
        auth = getattr(self, "auth", None)
        return list((auth.get("valid_tokens") if isinstance(auth, Mapping) else None) or ())

    def _auth_params(self) -> dict[str, Any]:
        given = self._instance[2] if self._instance else {}
        return dict(given) or ({"auth_token": tokens[0]} if (tokens := self._valid_tokens()) else {})


class AnonymousMap(BaseMap):
    """A map that is described by the request that instantiates it.

    Example:
        >>> white = AnonymousMap(auth_client)
        >>> white.instantiate({"version": "1.7.0", "layers": [{"type": "plain", "options": {"color": "white"}}]})
        >>> white.get_tile_url(x=1, y=2, z=3)
        'https://me.carto.com/api/v1/map/.../3/1/2.png'
    """

    class Meta:
        """Where anonymous maps are."""

        collection_endpoint = ANONYMOUS_API_ENDPOINT.format(api_version=API_VERSION)

    def instantiate(self, params: Mapping[str, Any]) -> None:
        """Make an instance of a map.

        Args:
            params: The MapConfig: ``version`` and ``layers``.

        Raises:
            CartoResponseException: The server refused; `errors_with_context` has the layer and the place.
        """
        self._instantiate(self.get_collection_endpoint(), params, {})


class NamedMap(BaseMap):
    """A map that is stored on the server as a template.

    Attributes:
        template_id: The id of the template, which is its name.
        auth: Who may instantiate it: ``{"method": "open"}`` or ``{"method": "token", "valid_tokens": [...]}``.
        placeholders: The parameters of the template, with type and default.
        layergroup: The MapConfig.
        view: What static images show.
    """

    version = CharField()
    name = CharField()
    auth = DictField()
    placeholders = DictField()
    layergroup = DictField()
    view = DictField()
    template_id = CharField()

    #: What a template is made of, and what an instance adds.
    template_fields = ("version", "name", "auth", "placeholders", "layergroup", "view")
    optional_fields = ("template_id", "layergroupid", "last_updated")

    display_columns = ("template_id", "name", "version")

    class Meta:
        """Where named maps are."""

        collection_endpoint = NAMED_API_ENDPOINT.format(api_version=API_VERSION)
        id_field = "template_id"
        name_field = "name"

    def __str__(self) -> str:
        return str(self.name or self.template_id or repr(self))

    def instantiate(self, params: Mapping[str, Any] | None = None, auth: str | Sequence[str] | None = None) -> None:
        """Make an instance of the map.

        Args:
            params: Values for the placeholders.
            auth: The token, or several, of a template with token auth.

        Raises:
            CartoForbiddenException: The token is missing or wrong.
            CartoNotFoundException: There is no such template.
            CartoResponseException: The server refused.
        """
        tokens: dict[str, Any] = {}
        if auth is not None:
            tokens = {"auth_token": auth} if isinstance(auth, str) else {"auth_token[]": list(auth)}
        self._instantiate(self._path(), params or {}, tokens)

    def preview(self, width: int, height: int, *, params: Mapping[str, Any] | None = None,
                extension: str = "png", layer: Layer | Sequence[Layer] | None = None, **view: Any) -> bytes:
        """Fetch a picture of the map as its template's view shows it, without instantiating it.

        Args:
            width: Pixels.
            height: Pixels.
            params: Values for the placeholders.
            extension: ``png`` or ``jpg``.
            layer: See `tile`.
            **view: ``zoom``, ``lon`` and ``lat``, or ``bbox``.

        Returns:
            The bytes of the picture.
        """
        query = {**_dataview_params(view), **self._auth_params()}
        if layer is not None:
            query["layer"] = _layers(layer)
        if params:
            query["config"] = _compact(params)
        template = quote(_checked_id(self.template_id), safe="@")
        path = f"{_MAP_PATH}static/named/{template}/{width}/{height}.{extension}"
        return _bytes_of(self.client, self._sent(path, params=query, idempotent=True))

    def save(self, force_create: bool = False, fields: Any = None) -> Response:
        """Store the template; what is None is left out, since the server replaces the whole of it.

        Args:
            force_create: Whether to create it also when it has an id.
            fields: Ignored: a part of a template can't be stored.

        Returns:
            The answer.

        Raises:
            CartoBadRequestException: The template is not valid, or its name was changed.
        """
        is_partial = any(name not in self.__dict__ for name in _REQUIRED_FIELDS)
        if self.template_id is not None and not force_create and is_partial:
            self._load_rest()
        return super().save(force_create, self.template_fields)

    def update_from_dict(self, attribute_dict: Mapping[str, Any] | str) -> None:
        """Take over an answer: a template, the fields of one, or an id alone."""
        if isinstance(attribute_dict, str):
            attribute_dict = {"template_id": attribute_dict}
        template = attribute_dict.get("template")
        if isinstance(template, Mapping):
            attribute_dict = {**template, "template_id": template.get("name")}
        super().update_from_dict(attribute_dict)

    def get_resource_endpoint(self) -> str | None:
        """Return the path of the template, or None when it has no id."""
        return None if self.template_id is None else self._path()

    def _path(self) -> str:
        return f"{self.get_collection_endpoint()}{quote(_checked_id(self.template_id), safe='@')}"

    def _tile_url(self, drawn: Layer | None, tile: str) -> str:
        if self.template_id is None:
            return super()._tile_url(drawn, tile)
        if drawn is None:
            # where not all layers have vector tiles, the server has none of all
            drawn = "mapnik" if tile.endswith(".mvt") else "all"
        values = self._shown_values()
        config = {"config": _compact(values)} if values else {}
        return self._url(f"{self._path()}/{drawn}/{tile}", {**self._auth_params(), **config})

    def _shown_values(self) -> dict[str, Any]:
        """Collect what it was instantiated with; scripts give the whole template with its tokens, which is no value."""
        given = self._instance[1] if self._instance else {}
        return {name: value for name, value in given.items() if self.placeholders is None or name in self.placeholders}

    def _load_rest(self) -> None:
        """Read what a map from a listing does not have, and leave what was assigned since."""
        stored = NamedMap(self.client)
        stored.template_id = self.template_id
        stored.refresh()
        missing = {name: getattr(stored, name) for name in self.template_fields if name not in self.__dict__}
        super().update_from_dict(missing)

    def _values(self, names: Any) -> dict[str, Any]:
        return {name: value for name, value in super()._values(names).items() if value is not None}


class NamedMapManager(Manager[NamedMap]):
    """The named maps of an account. All of it needs the master API key.

    Example:
        >>> maps = NamedMapManager(auth_client)
        >>> layergroup = {"version": "1.7.0", "layers": [{"type": "plain", "options": {"color": "white"}}]}
        >>> white = maps.create(template={"version": "0.0.1", "name": "white", "layergroup": layergroup})
        >>> [each.template_id for each in maps.all()]
        ['white']
    """

    resource_class = NamedMap
    json_collection_attribute = "template_ids"
    paginator_class = DummyPaginator

    def create(self, *, template: Mapping[str, Any] | None = None, **kwargs: Any) -> NamedMap:
        """Store a template.

        Args:
            template: The template: ``version``, ``name``, ``layergroup``, and perhaps ``auth``,
                ``placeholders`` and ``view``.
            **kwargs: The same one by one.

        Returns:
            The map.

        Raises:
            CartoUsageException: It is no mapping, or its name can't be one.
            CartoBadRequestException: There is such a template already, or it is not valid.
        """
        named_map = self._from_template({**_checked_object("template", template or {}), **kwargs})
        named_map.save(force_create=True)
        return named_map

    def upsert(self, template: Mapping[str, Any]) -> NamedMap:
        """Store a template, in place of one of the same name if there is one.

        Args:
            template: See `create`.

        Returns:
            The map.
        """
        try:
            return self.create(template=template)
        except CartoBadRequestException as error:
            if not any(_EXISTS in text for text in error.errors):
                raise
        named_map = self._from_template(template)
        named_map.template_id = named_map.name
        named_map.save()
        return named_map

    @classmethod
    def get_resource_endpoint(cls, resource_id: Any) -> str | None:
        """Return the path of one template.

        Args:
            resource_id: Its id.
        """
        if resource_id is None:
            return None
        _checked_id(resource_id)
        return resource_path(cls.get_collection_endpoint(), resource_id)

    def _from_template(self, template: Mapping[str, Any]) -> NamedMap:
        named_map = self._new_resource()
        named_map.update_from_dict(template)
        _checked_id(named_map.name)
        return named_map

    def _built(self, data: Any) -> NamedMap:
        return super()._built({"template_id": data} if isinstance(data, str) else data)


def _checked_id(template_id: Any) -> str:
    if not isinstance(template_id, str) or not re.fullmatch(_TEMPLATE_ID, template_id):
        raise CartoUsageException(f"{template_id!r} can't be the name of a named map: a letter or a digit, "
                                  "then letters, digits, underscores and hyphens")
    return template_id


def _checked_object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise CartoUsageException(f"{name} must be a dictionary, not {type(value).__name__}: "
                                  "json.load reads one from an open file, and json.loads from a text")
    return dict(value)


def _object_of(client: SendsRequests, response: Response) -> dict[str, Any]:
    data = data_of(client, response)
    if not isinstance(data, Mapping):
        raise CartoInvalidResponseException(response, "the answer is no JSON object")
    return dict(data)


def _bytes_of(client: SendsRequests, response: Response) -> bytes:
    return data_of(client, response, parse_json=False) or b""


def _layers(layer: Layer | Sequence[Layer]) -> str:
    text = ",".join(map(str, [layer] if isinstance(layer, (int, str)) else layer))
    if not text:
        raise CartoUsageException(f"layer={layer!r} names no layer: leave it out for all layers that are drawn")
    return text


def _segment(value: Any) -> str:
    return quote(str(value), safe="")


def _number(name: str, value: float) -> str:
    try:
        return f"{value:.10g}"
    except (TypeError, ValueError):
        raise CartoUsageException(f"{name} takes numbers, not {value!r}") from None


def _numbers(name: str, values: Sequence[float]) -> str:
    return ",".join(_number(name, value) for value in values)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _dataview_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Write parameters as the server reads them: 1 and 0, numbers with commas, objects as JSON."""
    return {name: _dataview_param(name, value) for name, value in params.items() if value is not None}


def _dataview_param(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Mapping):
        return _compact(value)
    return _numbers(name, value) if isinstance(value, (list, tuple)) else value


def _without_keys(value: Any) -> Any:
    """Take the secrets out of the URLs that the server wrote them into: metadata gets printed and stored."""
    if isinstance(value, Mapping):
        return {name: _without_keys(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_keys(item) for item in value]
    if isinstance(value, str) and "://" in value and "?" in value:
        parts = urlsplit(value)
        kept = [(name, text) for name, text in parse_qsl(parts.query) if name.lower() not in SECRET_PARAMETERS]
        return urlunsplit(parts._replace(query=urlencode(kept)))
    return value
