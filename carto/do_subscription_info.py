"""The conditions of subscriptions to datasets of CARTO's Data Observatory.

CARTO closed this generation of its Data Observatory in 2021: the calls are kept
for servers of one's own that still have it.
"""

from __future__ import annotations

from carto.auth import data_of
from carto.fields import CharField, FloatField
from carto.resources import Manager, Resource

API_VERSION = "v4"
API_ENDPOINT = "api/{api_version}/do/subscription_info"


class DOSubscriptionInfo(Resource):
    """What a subscription to a dataset, or to a geography, would cost and allow.

    Attributes:
        id: The dataset, as project.dataset.table.
        estimated_delivery_days: Days until the data can be used.
        subscription_list_price: The price, in dollars a year.
        tos: The terms of service.
        type: dataset or geography.
    """

    id = CharField()
    estimated_delivery_days = FloatField()
    subscription_list_price = FloatField()
    tos = CharField()
    tos_link = CharField()
    licenses = CharField()
    licenses_link = CharField()
    rights = CharField()
    type = CharField()

    class Meta:
        """Where the conditions are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)


class DOSubscriptionInfoManager(Manager[DOSubscriptionInfo]):
    """Asks for the conditions."""

    resource_class = DOSubscriptionInfo
    json_collection_attribute = "subscription_info"
    api_key_in = "query"

    def get(self, id: str, type: str) -> DOSubscriptionInfo:  # type: ignore[override]  # noqa: A002  # names of the API
        """Read the conditions of a subscription.

        Args:
            id: The dataset, as project.dataset.table.
            type: dataset or geography.

        Returns:
            The conditions.

        Raises:
            CartoBadRequestException: The id or the type is none.
            CartoNotFoundException: There is no such dataset.
        """
        response = self.send(self.get_collection_endpoint(), "get", params={"id": id, "type": type}, idempotent=True)
        return self._built(data_of(self.client, response))
