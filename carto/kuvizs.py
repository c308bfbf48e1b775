"""Kuvizs: pages of HTML that an account publishes, with a password or without (a non-public API)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from requests import Response

from carto.exceptions import CartoNotFoundException, CartoUsageException
from carto.fields import PRIVACY_PASSWORD, Base64EncodedField, CharField, DateTimeField, PasswordAndPrivacyFields
from carto.paginators import PAGE_SIZE
from carto.resources import Manager, SavesChanges, WarnResource

API_VERSION = "v4"
API_ENDPOINT = "api/{api_version}/kuviz/"

IF_EXISTS_FAIL = "fail"
IF_EXISTS_REPLACE = "replace"


class Kuviz(SavesChanges, WarnResource):
    """A published page.

    Attributes:
        data: Its HTML: assigned as text and kept as base64, the form in which it is sent. The server does not tell it.
        password: What visitors have to give, a text; None makes the page public. The server does not tell it, and
            it is not shown, pickled or copied with the rest.
        privacy: public or password.
        url: Where the page is.
        if_exists: What `save` does when others have the new name: IF_EXISTS_FAIL, also when not given, or
            IF_EXISTS_REPLACE, which deletes them.
    """

    created_at = DateTimeField()
    data = Base64EncodedField()
    id = CharField()
    name = CharField()
    password = PasswordAndPrivacyFields()
    privacy = CharField()
    updated_at = DateTimeField()
    url = CharField()
    if_exists = CharField()

    display_columns = ("name", "privacy", "updated_at", "url", "id")
    api_key_in = "query"

    class Meta:
        """Where kuvizs are, and what of them can be changed."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        saved_fields = ("data", "name", "password", "privacy")
        secret_fields = ("password",)

    def refresh(self) -> Response | None:
        """Read the kuviz again, from the list of all; without an id nothing is sent and None is returned.

        Raises:
            CartoNotFoundException: There is none of its id any more.
        """
        if self.id is None:
            return None
        response, item = _listed(KuvizManager(self.client), self.id)
        self.update_from_dict(item)
        return response

    def _values(self, names: Iterable[str]) -> dict[str, Any]:
        """Leave out what is None, and say what is to become of others of the same name: the server would delete them.

        Raises:
            CartoUsageException: A password is to protect the page, and there is none; or there is no text in `data`.
        """
        values = {name: value for name, value in super()._values(names).items() if value is not None}
        if values.get("data") == "":
            raise CartoUsageException("data must be the HTML of a page as text (bytes are to be decoded): what was "
                                      "assigned to it is empty, or no text")
        if values.get("privacy") == PRIVACY_PASSWORD and "password" not in values:
            raise CartoUsageException("privacy is 'password', but there is no password: assign one to password")
        return {**values, "if_exists": _checked_if_exists(self.if_exists or IF_EXISTS_FAIL)}


class KuvizManager(Manager[Kuviz]):
    """The kuvizs of an account. All of it needs the master key.

    Example:
        >>> kuvizs = KuvizManager(auth_client)
        >>> page = kuvizs.create("<html><body>Hello</body></html>", "hello", password="sesame")
        >>> page.privacy, page.url
        ('password', '...//me.carto.com/kuviz/...')
    """

    resource_class = Kuviz
    json_collection_attribute = "visualizations"
    api_key_in = "query"
    paged = True

    def get(self, id: str) -> Kuviz:  # noqa: A002  # the API's word
        """Read one kuviz, from the list of all: the server gives none alone.

        Args:
            id: Its id.

        Returns:
            The kuviz, without its HTML and its password.

        Raises:
            CartoNotFoundException: There is none.
            CartoUsageException: There is no id.
        """
        if not id:
            raise CartoUsageException("KuvizManager.get needs an id")
        return self._built(_listed(self, id)[1])

    def create(self, html: str, name: str, password: str | None = None,  # type: ignore[override]  # nothing else
               if_exists: str = IF_EXISTS_FAIL) -> Kuviz:
        """Publish a page.

        Args:
            html: The page, of at most 10 MB.
            name: Its name.
            password: What visitors have to give; the page is public without.
            if_exists: What to do when there is one of that name: IF_EXISTS_FAIL, or IF_EXISTS_REPLACE, which
                puts the page in its place.

        Returns:
            The kuviz, with its URL.

        Raises:
            CartoBadRequestException: There is one of that name, it is too large, or it is no HTML.
            CartoUsageException: The page or its name is missing, or an argument is none.
            CartoResponseException: The server refused; 402 where the account may not have more.
        """
        for what, text in (("html", html), ("name", name)):
            if not isinstance(text, str) or not text:
                raise CartoUsageException(f"{what} must be a text, not {type(text).__name__ if text else 'empty'}")
        if password == "":
            raise CartoUsageException("password must be a text, or None for a public page")
        kuviz: Kuviz = self.resource_class(
            self.client, data=html, name=name, password=password, if_exists=if_exists)
        kuviz.save(force_create=True)
        kuviz.if_exists = None  # it was about this call: a later change of the name must not delete others
        return kuviz


def _checked_if_exists(value: str) -> str:
    if value not in (IF_EXISTS_FAIL, IF_EXISTS_REPLACE):
        raise CartoUsageException(f"if_exists is {IF_EXISTS_FAIL!r} or {IF_EXISTS_REPLACE!r}, not {value!r}")
    return value


def _listed(manager: KuvizManager, kuviz_id: Any) -> tuple[Response, Any]:
    """Find a kuviz in the list, and give the answer that it stood in."""
    for response, items in manager._pages({"per_page": PAGE_SIZE}):
        for item in items:
            if item.get("id") == str(kuviz_id):
                return response, item
    # `response` is the last page: there always is one
    raise CartoNotFoundException(response, f"there is no kuviz with the id {kuviz_id}")
