"""Settings are validated before the console starts."""

from __future__ import annotations

import pytest

from recommender_console.settings import SettingsError, load

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_in_a_pod_the_api_server_is_that_of_the_cluster() -> None:
    settings = load(POD)
    assert settings.api_server == "https://10.0.0.1:443"
    assert (settings.port, settings.namespaces, settings.ca_file) == (8080, (), None)
    assert (
        load({**POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}).api_server == "https://[fd00::1]:443"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"), ("PORT", "0"), ("PORT", "70000"), ("PORT", "²"),
        ("API_SERVER", "http://api:6443"), ("API_SERVER", "https://me:pw@api"),
        ("API_SERVER", "https://"), ("NAMESPACES", "shop,No"), ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"RECOMMENDER_CONSOLE_{name}"):
        load({**POD, f"RECOMMENDER_CONSOLE_{name}": value})


def test_outside_a_pod_the_api_server_must_be_named() -> None:
    with pytest.raises(SettingsError, match="API_SERVER is not set"):
        load({})
    given = {"RECOMMENDER_CONSOLE_API_SERVER": "https://api:6443/"}
    assert load(given).api_server == "https://api:6443"
