"""What the recorded calls are answered: CARTO's routes in small, each with one fixed answer."""

from __future__ import annotations

import json
import re
from typing import Any

DATASET_ID = "d0000000-0000-4000-8000-000000000000"
MAP_ID = "a0000000-0000-4000-8000-000000000000"
OTHER_MAP_ID = "b0000000-0000-4000-8000-000000000000"
JOB_ID = "10000000-0000-4000-8000-000000000000"
SYNC_ID = "50000000-0000-4000-8000-000000000000"
TABLE_ID = "70000000-0000-4000-8000-000000000000"

TIME = "2021-08-12T10:20:30Z"
LATER = "2021-08-13T10:20:30+02:00"
RATE_LIMITED = (429, {"errors": ["over the limit"]},
                {"Retry-After": "1", "Carto-Rate-Limit-Limit": "5", "Carto-Rate-Limit-Remaining": "0",
                 "Carto-Rate-Limit-Reset": "2"})

_ENTITY = {"id": DATASET_ID, "type": "vis"}
_PERMISSION = {"id": "permission", "owner": {"username": "me"}, "entity": _ENTITY, "acl": [], "created_at": TIME,
               "updated_at": LATER}
_SYNCHRONIZATION = {"id": SYNC_ID, "name": "stores", "interval": 900, "state": "success", "run_at": TIME,
                    "url": "https://example.com/stores.csv", "visualization_id": DATASET_ID}
TABLE = {"id": TABLE_ID, "name": "stores", "privacy": "PUBLIC", "schema": [["name", "string"]], "row_count": 2,
         "size": 8192, "geometry_types": ["ST_Point"], "updated_at": TIME,
         "table_visualization": {"id": DATASET_ID, "name": "stores"}, "dependent_visualizations": [{"id": MAP_ID}]}
DATASET = {"id": DATASET_ID, "name": "stores", "type": "table", "privacy": "PUBLIC", "tags": ["shops"],
           "description": None, "created_at": TIME, "updated_at": LATER, "permission": _PERMISSION,
           "synchronization": _SYNCHRONIZATION, "table": {"id": TABLE_ID, "name": "stores"},
           "dependent_visualizations_count": 0, "dependent_visualizations": [],
           "external_source": {}, "children": [], "user": {"username": "me"}, "transition_options": {}}
MAP = {"id": MAP_ID, "name": "my map", "type": "derived", "privacy": "LINK", "created_at": TIME, "version": 3,
       "stats": {"2021-08-12": 3}, "related_tables": [{"id": TABLE_ID, "name": "stores"}], "permission": _PERMISSION}
IMPORT = {"item_queue_id": JOB_ID, "id": JOB_ID, "queue_id": JOB_ID, "state": "complete", "success": True,
          "table_id": TABLE_ID, "table_name": "stores", "tables_created_count": 1,
          "get_error_text": None, "warnings": None}
SYNC = {"id": SYNC_ID, "name": "stores", "interval": 900, "state": "success", "success": True,
        "visualization_id": DATASET_ID, "url": "https://example.com/stores.csv", "run_at": TIME}
NEW_SYNC = {**SYNC, "state": "created", "success": None, "visualization_id": None, "run_at": None}
EXPORT = {"id": JOB_ID, "visualization_id": MAP_ID, "user_id": "user", "state": "complete",
          "url": "https://example.com/my_map.carto", "created_at": TIME, "updated_at": LATER}
NEW_EXPORT = {**EXPORT, "state": "pending", "url": None}
TEMPLATE = {"version": "0.0.1", "name": "shops", "auth": {"method": "token", "valid_tokens": ["token1", "token2"]},
            "placeholders": {"color": {"type": "css_color", "default": "red"}},
            "layergroup": {"version": "1.7.0", "layers": []}, "view": {"zoom": 4}}
USER = {"username": "ana", "email": "ana@example.com", "quota_in_bytes": 1000, "viewer": False,
        "soft_geocoding_limit": False, "base_url": "https://acme.carto.com/u/ana"}
GRANTS = [{"type": "apis", "apis": ["sql"]},
          {"type": "database", "tables": [{"schema": "public", "name": "stores", "permissions": ["select"]}]},
          {"type": "dataservices", "services": ["geocoding"]}]
API_KEY = {"name": "reader", "token": "TOKEN", "type": "regular", "created_at": TIME, "updated_at": LATER,
           "grants": GRANTS}
KUVIZ = {"id": "kuviz", "name": "page", "privacy": "public", "url": "https://example.com/kuviz", "created_at": TIME,
         "updated_at": LATER}
ROWS = {"rows": [{"one": 1}], "time": 0.01, "fields": {"one": {"type": "number"}}, "total_rows": 1}
BATCH_JOB = {"job_id": JOB_ID, "status": "done", "user": "me", "query": "SELECT 1", "created_at": TIME}
SUBSCRIPTION = {"id": "project.dataset.table", "dataset": "dataset", "project": "project", "table": "table",
                "type": "dataset", "status": "active"}
SUBSCRIPTION_INFO = {"id": "project.dataset.table", "estimated_delivery_days": 1.5, "subscription_list_price": 20.0,
                     "tos": "terms", "tos_link": "https://example.com/terms", "licenses": "licenses",
                     "licenses_link": "https://example.com/licenses", "rights": "rights", "type": "dataset"}
DO_TOKEN = {"access_token": "TOKEN", "bq_project": "project", "bq_dataset": "dataset", "gcs_bucket": "bucket",
            "bq_public_project": "public", "gcp_execution_project": "execution", "instant_licensing": True}
INSTANCE = {"layergroupid": "abc:123", "last_updated": TIME, "metadata": {"layers": []},
            "cdn_url": {"http": "cdn.example.com"}}

#: A verb and the beginning of a URL's path (as a pattern), and what is answered; the first that fits counts.
_ROUTES: list[tuple[str, Any]] = [
    (r"POST .*/observatory/.*/imports", {"item_queue_id": JOB_ID}),
    (r"GET .*/observatory/.*/(imports/|status)", {"status": "success"}),
    (r"GET .*/do/token", DO_TOKEN),
    (r"GET .*/do/subscriptions", {"subscriptions": [SUBSCRIPTION]}),
    (r"POST .*/do/subscriptions", SUBSCRIPTION_INFO),
    (r"GET .*/do/subscription_info", SUBSCRIPTION_INFO),
    (r"GET .*/observatory/metadata/", {"metadata": ["entity"]}),
    (r"POST .*/observatory/enrichment", {"job_id": JOB_ID}),
    (r"GET .*/observatory/user/datasets/", b"id,geom\n1,POINT(1 2)\n"),
    (r"POST .*/observatory/user/datasets", {"id": "mine"}),
    (r"GET .*/viz/[^?]*(a0000000|my%20map)", MAP),
    (r"(GET|PUT|POST) .*/viz/[^?]", DATASET),
    (r"GET .*/viz/?\?.*type=derived", {"visualizations": [MAP], "total_entries": 1}),
    (r"GET .*/viz/?\?", {"visualizations": [DATASET], "total_entries": 1}),
    (r"POST .*/viz/", MAP),
    (r"DELETE .*/viz/", (204, b"")),
    (r"(GET|PUT) .*/tables/.", TABLE),
    (r"GET .*/imports/?\?", {"imports": [JOB_ID], "success": True}),
    (r"GET .*/imports/", IMPORT),
    (r"POST .*/imports/", {"item_queue_id": JOB_ID, "success": True}),
    (r"PUT .*/sync_now", {"enqueued": True}),
    (r"GET .*/synchronizations/?\?", {"synchronizations": [SYNC], "total_entries": 1}),
    (r"POST .*/synchronizations/", NEW_SYNC),
    (r"(GET|PUT) .*/synchronizations/", SYNC),
    (r"DELETE .*/synchronizations/", (204, b"")),
    (r"POST .*/visualization_exports/", NEW_EXPORT),
    (r"GET .*/visualization_exports/", EXPORT),
    (r"GET .*/map/named/?\?", {"template_ids": ["shops", "parks"]}),
    (r"GET .*/map/named/", {"template": TEMPLATE}),
    (r"POST .*/map/named/?($|\?)", {"template_id": "shops"}),
    (r"POST .*/map/", INSTANCE),
    (r"PUT .*/map/named/", {"template_id": "shops"}),
    (r"DELETE .*/map/named/", (204, b"")),
    (r"(GET|POST|PUT) .*/users/", USER),
    (r"DELETE .*/users/", "User deleted"),
    (r"POST .*/api_keys/.*/regenerate", {**API_KEY, "token": "NEW"}),
    (r"GET .*/api_keys/?($|\?)", {"result": [API_KEY], "total": 1}),
    (r"(GET|POST) .*/api_keys", API_KEY),
    (r"DELETE .*/api_keys/", (204, b"")),
    (r"GET .*/kuviz/?\?", {"visualizations": [KUVIZ], "total_entries": 1}),
    (r"(GET|PUT|POST) .*/kuviz/", KUVIZ),
    (r"DELETE .*/kuviz/", (204, b"")),
    (r"POST .*/sql/copyfrom", {"total_rows": 2, "time": 0.1}),
    (r"(GET|POST) .*/sql/copyto", b"Ana,30\nLuis,12\n"),
    (r"DELETE .*/sql/job/", {**BATCH_JOB, "status": "cancelled"}),
    (r".* .*/sql/job/", BATCH_JOB),
    (r".* .*/sql", ROWS),
]


class FakeServer:
    """Gives answers: those of one call first, each of which is used once but for the last, then the routes'.

    An answer is a JSON value or bytes, a tuple of status, body and perhaps headers, or an exception to raise.
    """

    def __init__(self, answers: dict[str, list[Any]]) -> None:
        self._answers = {pattern: list(each) for pattern, each in answers.items()}

    def answer(self, method: str, url: str) -> tuple[int, bytes, dict[str, str]]:
        """Give the status, body and headers for a request."""
        for pattern, answers in self._answers.items():
            if re.match(pattern, f"{method} {url}"):
                return _complete(answers.pop(0) if len(answers) > 1 else answers[0])
        for pattern, found in _ROUTES:
            if re.match(pattern, f"{method} {url}"):
                return _complete(found)
        return _complete((404, {"errors": [f"no route for {method} {url}"]}))


def _complete(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    if isinstance(answer, Exception):
        raise answer
    status, body, headers = (*answer, {})[:3] if isinstance(answer, tuple) else (200, answer, {})
    if isinstance(body, bytes):
        return status, body, {"Content-Type": "text/plain", **headers}
    return status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
