"""Reads what an import was asked for: the source, in the order in which CARTO looks for one, and the options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from psycopg import sql

from carto.sandbox import import_jobs
from carto.sandbox.accounts import Account
from carto.sandbox.import_jobs import Document
from carto.sandbox.import_upload import STORED_AS
from carto.sandbox.parameters import js_string

SCHEMES = ("http", "https", "ftp")
PRIVACIES = ("public", "private", "link")
STRATEGIES = ("skip", "overwrite")
_UNAVAILABLE = 1011  # the libraries and services of CARTO that a sandbox has not


class RefusedImportError(Exception):
    """An import that is not even taken; its text is for the caller."""


def new_import(
    account: Account,
    params: Mapping[str, Any],
    filename: str | None = None,
    job_id: str | None = None,
    synchronization_id: str | None = None,
) -> Document:
    """Make the job of an import.

    Args:
        account: Whose import it is.
        params: Parameters of the Import API.
        filename: Name of the uploaded file, if there is one.
        job_id: Id under which the file was stored.
        synchronization_id: Synchronization that this import begins.

    Raises:
        RefusedImportError: A parameter has a value that makes no sense.
    """
    return import_jobs.new_job(
        job_id,
        account=account.name,
        user_id=account.user_id,
        synchronization_id=synchronization_id,
        table_name=_text(params, "table_name"),
        type_guessing=not _is(params, "type_guessing", False),
        quoted_fields_guessing=not _is(params, "quoted_fields_guessing", False),
        content_guessing=_is(params, "content_guessing", True),
        create_visualization=_is(params, "create_vis", True),
        privacy=_privacy(params),
        collision_strategy=_collision_strategy(params),
        user_defined_limits=_limits(params),
        **_source(params, filename),
    )


def _text(params: Mapping[str, Any], name: str) -> str | None:
    return js_string(params[name]) if params.get(name) else None


def _is(params: Mapping[str, Any], name: str, value: bool) -> bool:
    """Whether a switch has this value; all but true, false and their names is neither."""
    return params.get(name) is value or params.get(name) == str(value).lower()


def _privacy(params: Mapping[str, Any]) -> str | None:
    sent = _text(params, "privacy")
    if sent is not None and sent.lower() not in PRIVACIES:
        raise RefusedImportError(
            f"Unknown value '{sent}' for 'privacy'. Allowed values are: private, public and link"
        )
    return sent and sent.upper()


def _collision_strategy(params: Mapping[str, Any]) -> str | None:
    sent = _text(params, "collision_strategy")
    if sent is not None and sent not in STRATEGIES:
        raise RefusedImportError(
            f"Unknown value '{sent}' for 'collision_strategy'. Allowed values are: skip and overwrite"
        )
    return sent


def _limits(params: Mapping[str, Any]) -> str:
    sent = params.get("user_defined_limits")
    if isinstance(sent, str):
        return sent
    return json.dumps(sent if isinstance(sent, dict) else import_jobs.DEFAULT_LIMITS, separators=(",", ":"))


def _source(params: Mapping[str, Any], filename: str | None) -> Document:
    """Return ``source``, ``data_type`` and how the source is shown."""
    if not isinstance(params.get("service_item_id", ""), str | None):
        raise RefusedImportError("service_item_id field should be empty or a string")
    if params.get("url"):
        url = _checked_url(js_string(params["url"]))
        return {"source": {"url": url}, "data_type": "url", "original_url": url, "display_name": _last_part(url)}
    if params.get("connector"):
        return {"source": {"connector": _connector(params["connector"])}, "data_type": "datasource"}
    if params.get("remote_visualization_id"):
        return {"source": {"failure": _UNAVAILABLE}, "data_type": "external_table"}
    if filename:
        source = {"filename": filename, "stored_as": STORED_AS}
        return {"source": source, "data_type": "file", "original_url": filename, "display_name": filename}
    return {"source": _query(params), "data_type": "datasource"}


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise RefusedImportError(f"Invalid URL, cannot connect dataset: {url}")
    return url


def _last_part(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2] or url


def _connector(sent: Any) -> Document:
    """Read a connector; in a form it comes as JSON in a text."""
    try:
        connector = json.loads(sent) if isinstance(sent, str) else sent
    except ValueError:
        connector = None
    if not isinstance(connector, dict) or not isinstance(connector.get("provider"), str):
        raise RefusedImportError("The connector has to be an object with a provider")
    return connector


def _query(params: Mapping[str, Any]) -> Document:
    if params.get("table_copy"):
        name = js_string(params["table_copy"])
        query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(*name.split(".")[:2])).as_string()
        return {"sql": query, "name": f"{name.rpartition('.')[2]}_copy"}
    if params.get("sql"):
        return {"sql": js_string(params["sql"]), "name": "untitled_table"}
    if params.get("service_name") not in (None, "", "public_url"):
        return {"failure": _UNAVAILABLE}
    return {"failure": import_jobs.NO_FILE}
