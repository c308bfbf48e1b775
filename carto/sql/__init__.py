"""SQL API clients: queries, batch jobs and COPY.

Each API has a module of its own below; this one gives them the names that
callers import.
"""

from carto.exceptions import CartoException as CartoException  # scripts import these from here, too
from carto.exceptions import CartoRateLimitException as CartoRateLimitException
from carto.sql.batch import BatchSQLClient
from carto.sql.constants import (
    BATCH_JOBS_DONE_STATUSES,
    BATCH_JOBS_FAILED_STATUSES,
    BATCH_JOBS_FINISHED_STATUSES,
    BATCH_JOBS_PENDING_STATUSES,
    BATCH_READ_STATUS_AFTER_SECONDS,
    DEFAULT_CHUNK_SIZE,
    DEFAULT_COMPRESSION_LEVEL,
    MAX_GET_QUERY_LEN,
    SQL_API_URL,
    SQL_BATCH_API_URL,
)
from carto.sql.copy import CopySQLClient
from carto.sql.parameters import Identifier
from carto.sql.query import SQLClient
from carto.utils import ResponseStream as ResponseStream

__all__ = [
    "BATCH_JOBS_DONE_STATUSES",
    "BATCH_JOBS_FAILED_STATUSES",
    "BATCH_JOBS_FINISHED_STATUSES",
    "BATCH_JOBS_PENDING_STATUSES",
    "BATCH_READ_STATUS_AFTER_SECONDS",
    "DEFAULT_CHUNK_SIZE",
    "DEFAULT_COMPRESSION_LEVEL",
    "MAX_GET_QUERY_LEN",
    "SQL_API_URL",
    "SQL_BATCH_API_URL",
    "BatchSQLClient",
    "CopySQLClient",
    "Identifier",
    "SQLClient",
]
