"""The token for CARTO's Data Observatory (a non-public API).

CARTO closed this generation of its Data Observatory in 2021: the calls are kept
for servers of one's own that still have it.
"""

from __future__ import annotations

from carto.auth import data_of
from carto.exceptions import CartoInvalidResponseException
from carto.fields import BooleanField, CharField
from carto.resources import Manager, WarnResource

API_VERSION = "v4"
API_ENDPOINT = "api/{api_version}/do/token"


class DoToken(WarnResource):
    """A token for the data warehouse of the Data Observatory, and where to use it.

    Attributes:
        access_token: The token. It is not shown, pickled or copied with the rest.
        instant_licensing: Whether subscriptions of the account begin at once.
    """

    access_token = CharField()
    bq_public_project = CharField()
    gcp_execution_project = CharField()
    bq_project = CharField()
    bq_dataset = CharField()
    gcs_bucket = CharField()
    instant_licensing = BooleanField()

    api_key_in = "query"

    class Meta:
        """Where the token is."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        name_field = "access_token"
        secret_fields = ("access_token",)


class DoTokenManager(Manager[DoToken]):
    """Asks for the token."""

    resource_class = DoToken
    json_collection_attribute = None
    api_key_in = "query"

    def get(self) -> DoToken:  # type: ignore[override]  # there is only one
        """Ask for a token.

        Returns:
            The token; servers tell more or less of the rest.

        Raises:
            CartoForbiddenException: The key has no part in the Data Observatory.
            CartoResponseException: The server refused.
        """
        response = self.send(self.get_collection_endpoint(), "get", idempotent=True)
        answer = data_of(self.client, response)
        if isinstance(answer, list):  # what newer servers send
            answer = answer[0] if answer else None
        if not isinstance(answer, dict):
            raise CartoInvalidResponseException(response, "the answer has no token")
        return self._built(answer)
