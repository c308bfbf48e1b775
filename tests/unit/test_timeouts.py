"""How long a call may take: whose setting counts, and what a timeout may be."""

import pytest
import urllib3

from carto._http.timeouts import METADATA, SQL, TRANSFER, UNSET, checked, effective, hint
from carto.exceptions import CartoUsageException


def test_the_defaults():
    assert (tuple(METADATA), tuple(SQL), tuple(TRANSFER)) == ((10, 60), (10, 300), (10, 600))


@pytest.mark.parametrize(("call", "client", "expected"), [
    (UNSET, UNSET, (10, 60)), (SQL, UNSET, (10, 300)), (TRANSFER, UNSET, (10, 600)),
    (UNSET, 5, 5), (SQL, 5, 5), (SQL, None, None), (TRANSFER, (1, 2), (1, 2)), (UNSET, (1, None), (1, None)),
    (7, 5, 7), (None, 5, None), ((1, 2), 5, (1, 2)), (7, UNSET, 7), (None, UNSET, None), ((None, 3), None, (None, 3)),
])
def test_the_call_counts_before_the_client_and_the_client_before_the_default(call, client, expected):
    assert effective(call, client) == expected


def test_what_requests_is_given_is_a_plain_pair():
    assert type(effective(SQL, UNSET)) is tuple
    assert type(effective(UNSET, UNSET)) is tuple


@pytest.mark.parametrize("timeout", [1, 0.001, None, (1, 2), (None, 2.5), (1, None), (None, None), UNSET, SQL,
                                     urllib3.Timeout(1)])
def test_what_a_timeout_may_be(timeout):
    assert checked(timeout) is timeout


@pytest.mark.parametrize("timeout", [0, -1, "1", (1,), (1, 2, 3), (1, 0), (1, "2"), [1, 2], True, float("nan"),
                                     float("inf"), 1e300, {}, b"1"])
def test_what_it_may_not_be(timeout):
    with pytest.raises(CartoUsageException, match="timeout is a number of seconds above 0"):
        checked(timeout)


def test_the_hint_names_the_setting_and_its_value():
    assert "2.5 seconds" in hint(2.5)
    assert "timeout=" in hint((10, 60))
    assert "(10, 60)" in hint(effective(UNSET, UNSET))


def test_unset_says_so():
    assert repr(UNSET) == "UNSET"
