"""Subscriptions to datasets of CARTO's Data Observatory.

CARTO closed this generation of its Data Observatory in 2021: the calls are kept
for servers of one's own that still have it.
"""

from __future__ import annotations

from requests import Response

from carto.do_subscription_info import DOSubscriptionInfo
from carto.fields import CharField
from carto.resources import Manager, Resource

API_VERSION = "v4"
API_ENDPOINT = "api/{api_version}/do/subscriptions"


class _Subscription(Resource):
    """What can be done with a subscription, whoever told of it."""

    api_key_in = "query"

    class Meta:
        """Where subscriptions are, and what makes one."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)
        saved_fields = ("id", "type")

    def delete(self) -> Response | None:
        """End the subscription; without an id nothing is sent and None is returned."""
        if self.get_id() is None:
            return None
        return self.send(self.get_collection_endpoint(), "delete", params={"id": self.get_id()})


class DOSubscription(_Subscription):
    """A subscription of the account.

    Attributes:
        id: The dataset, as project.dataset.table.
        status: requested, active or expired.
        type: dataset or geography.
    """

    dataset = CharField()
    id = CharField()
    project = CharField()
    table = CharField()
    type = CharField()
    status = CharField()

    display_columns = ("id", "type", "status")


class DOCreatedSubscription(_Subscription, DOSubscriptionInfo):
    """A new subscription, with its conditions."""

    class Meta(_Subscription.Meta):
        """A subscription, and not the conditions of one."""


class DOSubscriptionManager(Manager[DOSubscription]):
    """The subscriptions of the account.

    Example:
        >>> [each.id for each in DOSubscriptionManager(auth_client).filter(status="active")]
        ['carto-do.acme.demographics_2020']
    """

    resource_class = DOSubscription
    json_collection_attribute = "subscriptions"
    api_key_in = "query"


class DOSubscriptionCreationManager(Manager[DOCreatedSubscription]):
    """Subscribes to datasets: ``create(id=..., type=...)``.

    Example:
        >>> subscriptions = DOSubscriptionCreationManager(auth_client)
        >>> subscriptions.create(id="carto-do.acme.demographics_2020", type="dataset")
        <DOCreatedSubscription id='carto-do.acme.demographics_2020'>
    """

    resource_class = DOCreatedSubscription
    json_collection_attribute = "subscriptions"
    api_key_in = "query"
