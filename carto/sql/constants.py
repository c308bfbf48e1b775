"""Addresses and limits of the SQL API; carto-python's names."""

SQL_API_URL = "api/{api_version}/sql"
SQL_BATCH_API_URL = "api/{api_version}/sql/job/"
#: A query this long, in characters, is sent by POST whatever the caller prefers.
MAX_GET_QUERY_LEN = 1024
#: Bytes read at a time by carto-python; kept for callers that import it.
DEFAULT_CHUNK_SIZE = 8192
#: gzip's fastest level; the network is rarely slow enough to make up for the others.
DEFAULT_COMPRESSION_LEVEL = 1
BATCH_JOBS_PENDING_STATUSES = ["pending", "running"]
BATCH_JOBS_DONE_STATUSES = ["done"]
#: The server writes "cancelled", some of its documents "canceled".
BATCH_JOBS_FAILED_STATUSES = ["failed", "cancelled", "canceled", "unknown"]
BATCH_JOBS_FINISHED_STATUSES = BATCH_JOBS_DONE_STATUSES + BATCH_JOBS_FAILED_STATUSES
#: Seconds between carto-python's polls; kept for callers that import it (carto.jobs decides now).
BATCH_READ_STATUS_AFTER_SECONDS = 2
