"""HTTP as this package uses it: sessions, retries, timeouts, redaction and streams.

Nothing in here knows CARTO's resources. Requests are logged, redacted, to the
logger ``carto``; it stays silent until the application configures logging.
"""

import logging

from carto._http.redaction import RedactingFilter

logging.getLogger("carto").addHandler(logging.NullHandler())
# urllib3 writes the path of every request, and with it a key in the query, to its own logger.
logging.getLogger("urllib3.connectionpool").addFilter(RedactingFilter())
