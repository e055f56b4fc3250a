"""Who gets what, and which addresses are used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from recommender_operator.notifications.facts import FactKind
from recommender_operator.notifications.receivers import AddressError, checked
from tests.unit.recommender_operator.notifications.samples import SLACK, fact

HOSTS = ("hooks.slack.com", "alerts.monitoring:9093", "[fd00::1]:8080")
SECRET = "T000-B000-XXXX"


@pytest.mark.parametrize(
    ("kinds", "namespaces", "wanted"),
    [
        ((), (), True),
        ((FactKind.ROLLED_BACK,), ("team",), True),
        ((FactKind.PROMOTED,), (), False),
        ((), ("shop",), False),
    ],
)
def test_a_receiver_chooses_kinds_and_namespaces(
    kinds: tuple[FactKind, ...], namespaces: tuple[str, ...], wanted: bool
) -> None:
    receiver = SLACK.model_copy(update={"kinds": kinds, "namespaces": namespaces})
    assert receiver.wants(fact()) is wanted


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T/B/X",
        "https://HOOKS.slack.com:443/services?token=a%2Fb",
        "http://hooks.slack.com/",
        "http://alerts.monitoring:9093",
        "http://[fd00::1]:8080/x",
    ],
)
def test_an_address_of_an_allowed_host_is_used(url: str) -> None:
    assert checked(url, HOSTS) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"https://evil.example/{SECRET}",
        f"https://hooks.slack.com.evil.example/{SECRET}",
        f"https://hooks.slack.com@evil.example/{SECRET}",
        f"https://me:{SECRET}@hooks.slack.com/",
        f"https://hooks.slack.com:8443/{SECRET}",
        f"https://hooks.slack.com:0/{SECRET}",
        f"https://hooks.slack.com:99999/{SECRET}",
        f"http://alerts.monitoring/{SECRET}",
        f"file:///etc/{SECRET}",
        f"https://hooks.slack.com\\@evil.example/{SECRET}",
        f"https://hooks.slack.com/{SECRET}#x",
        f"https://hooks.slack.com/{SECRET}\r\nX: y",
        f"https://hooks.slack.com/{SECRET}" + "x" * 2000,
    ],
)
def test_any_other_address_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(AddressError) as refused:
        checked(url, HOSTS)
    assert SECRET not in str(refused.value)


@given(st.text("htps:/.@[]\\#?%evilalrsmongxk1234567890", max_size=60))
def test_the_client_takes_the_host_that_was_checked(text: str) -> None:
    url = "http://alerts.monitoring:9093" + text
    try:
        checked(url, HOSTS)
    except AddressError:
        return
    found = URL(url)
    assert (found.host, found.port) == ("alerts.monitoring", 9093)
