"""Addresses and limits of the SQL API; carto-python's names."""

SQL_API_URL = "api/{api_version}/sql"
SQL_BATCH_API_URL = "api/{api_version}/sql/job/"
#: A query this long, in characters, is sent by POST whatever the caller prefers.
MAX_GET_QUERY_LEN = 1024
#: Bytes read at a time by carto-python; kept for callers that import it.
DEFAULT_CHUNK_SIZE = 8192
#: gzip's fastest level: the network is rarely slow enough to make up for the others.
DEFAULT_COMPRESSION_LEVEL = 1
