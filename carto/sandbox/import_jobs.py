"""The record of one import: what was asked for, how far it got, and how the Import API shows it."""

from __future__ import annotations

import html
import json
import uuid
from datetime import datetime, timezone
from typing import Any

from carto.sandbox.import_errors import ALL_SKIPPED, HTTP_HINTS, TEXTS, ImportFailed
from carto.sandbox.importer import ImportOptions, ImportResult

PENDING = "pending"
UPLOADING = "uploading"
COMPLETE = "complete"
FAILURE = "failure"
FINAL = (COMPLETE, FAILURE)
DEFAULT_LIMITS = {"twitter_credits_limit": 0}
NO_FILE = 1010

Document = dict[str, Any]

_SHOWN = (
    "id", "user_id", "table_id", "data_type", "table_name", "state", "error_code", "queue_id", "tables_created_count",
    "synchronization_id", "type_guessing", "quoted_fields_guessing", "content_guessing", "create_visualization",
    "visualization_id", "user_defined_limits", "get_error_text", "display_name", "success", "original_url", "warnings",
    "is_raster", "http_response_code", "http_response_code_message", "any_table_raster", "derived_visualization_id",
)  # fmt: skip


def new_job(job_id: str | None = None, **asked: Any) -> Document:
    """Make the record of an import that has not begun.

    Args:
        job_id: Its id, where files of that id have been stored already.
        **asked: ``account``, ``user_id``, ``source``, ``data_type`` and the options of the Import API.
    """
    job_id = job_id or str(uuid.uuid4())
    return {
        "id": job_id,
        "queue_id": job_id,
        "state": PENDING,
        "created_at": datetime.now(timezone.utc).isoformat(),
        "table_id": None,
        "table_name": None,
        "error_code": None,
        "tables_created_count": None,
        "synchronization_id": None,
        "visualization_id": None,
        "display_name": job_id,
        "original_url": "",
        "warnings": None,
        "is_raster": False,
        "privacy": None,
        "collision_strategy": None,
        "user_defined_limits": json.dumps(DEFAULT_LIMITS, separators=(",", ":")),
        **asked,
    }


def options_of(job: Document) -> ImportOptions:
    """Return how the source of a job becomes tables."""
    return ImportOptions(
        table_name=job["table_name"],
        collision_strategy=job["collision_strategy"],
        type_guessing=job["type_guessing"],
        quoted_fields_guessing=job["quoted_fields_guessing"],
        content_guessing=job["content_guessing"],
    )


def set_failed(job: Document, failure: ImportFailed) -> None:
    """Note why a job came to nothing."""
    job.update(state=FAILURE, error_code=failure.code, detail=failure.detail, table_name=None)
    if failure.http_status is not None:
        job["http_response_code"] = str(failure.http_status)
        job["http_response_code_message"] = HTTP_HINTS.get(failure.http_status, "The server of this URL refused.")


def set_complete(job: Document, result: ImportResult, ids: tuple[str, str] | None, map_id: str | None) -> None:
    """Note what a job made.

    Args:
        job: The job.
        result: Its tables.
        ids: Ids of the first one's visualization and table; None when there is no table.
        map_id: Id of the map over them, if there is one.
    """
    visualization_id, table_id = ids or (None, None)
    job.update(
        state=COMPLETE,
        table_name=result.tables[0].name if result.tables else None,
        table_id=table_id,
        visualization_id=visualization_id,
        tables_created_count=len(result.tables),
        warnings=result.warnings or None,
        error_code=None if result.tables else ALL_SKIPPED,
        derived_visualization_id=map_id,
        any_table_raster=False,
    )


def shown(job: Document) -> Document:
    """Return the job as the Import API shows it."""
    form = {**job, "get_error_text": _error_text(job)}
    if job["state"] in FINAL:
        form["success"] = job["state"] == COMPLETE
    return {key: form[key] for key in _SHOWN if key in form}


def _error_text(job: Document) -> Document | None:
    text = TEXTS.get(job["error_code"])
    if text is None:
        return None
    detail = job.get("detail")
    advice = f"{text.what_about}<br/><code>{html.escape(detail)}</code>" if detail else text.what_about
    return {"title": text.title, "what_about": advice, "source": text.source}
