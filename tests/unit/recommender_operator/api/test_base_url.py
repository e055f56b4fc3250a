import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api.base_url import normalise, refusal

ALLOWED = ("http://prom.monitoring:9090", "https://prom.example/tenant")


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("http://prom.monitoring:9090", "http://prom.monitoring:9090"),
        ("http://Prom.Monitoring:09090/", "http://prom.monitoring:9090"),
        ("https://prom.example:443/tenant/", "https://prom.example/tenant"),
        ("http://[FD00:0::1]:9090", "http://[fd00::1]:9090"),
    ],
)
def test_a_url_has_one_normalized_form(text: str, same_as: str) -> None:
    assert normalise(text) == same_as


@pytest.mark.parametrize(
    "text",
    [
        "http://prom.monitoring:9090#x",
        "http://prom.monitoring:9090/#/api/v1/secrets",
        "http://prom.monitoring:9090?x=1",
        "http://prom.monitoring:9090@evil",
        "http://user:word@prom.monitoring:9090",
        "http://prom.monitoring:9090/..",
        "http://prom.monitoring:9090/a/../b",
        "http://prom.monitoring:9090/./a",
        "http://prom.monitoring:9090//a",
        "http://prom.monitoring:9090/a%2fb",
        "http://prom.monitoring:9090/%2e%2e/b",
        "http://prom.monitoring:9090\\\\evil",
        "http:\\\\prom.monitoring:9090",
        "http://prom.monitoring:9090/a b",
        "http://prom.monitoring:9090/a\n",
        "http://prom.monitoring:9090\n",
        "http://prom.monitoring:9090/a\tb",
        " http://prom.monitoring:9090",
        "http://prom.monitoring:9090/;a",
        "http://prom.monitoring:70000",
        "http://prom.monitoring:0",
        "http://prom.monitoring:",
        "http://",
        "http:///a",
        "http://[::1",
        "http://[fe80::1%25eth0]:9090",
        "http://prom\u3002monitoring:9090",
        "ftp://prom.monitoring:9090",
        "file:///etc/passwd",
        "prom.monitoring:9090",
        "",
        "http://" + "a" * 600,
    ],
)
def test_an_invalid_base_url_is_refused_with_the_valid_form(text: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        normalise(text)
    shown = refusal(text, ALLOWED)
    assert "rollout.analysis.prometheusUrl" in shown
    assert "base URL such as http://" in shown
    assert len(shown) < 600


@pytest.mark.parametrize("text", [*ALLOWED, "http://PROM.monitoring:9090/"])
def test_an_allowed_server_may_be_queried(text: str) -> None:
    assert refusal(text, ALLOWED) == ""


@pytest.mark.parametrize(
    "text",
    [
        "https://prom.monitoring:9090",
        "http://prom.monitoring",
        "http://prom.monitoring:9091",
        "http://prom.monitoring.evil:9090",
        "http://evilprom.monitoring:9090",
        "http://prom.monitoring:9090/tenant",
        "https://prom.example",
        "https://prom.example/tenants",
        "https://prom.example/tenant/other",
        "https://prom.example/Tenant",
    ],
)
def test_another_scheme_host_port_or_path_is_refused_with_what_is_allowed(text: str) -> None:
    shown = refusal(text, ALLOWED)
    assert repr(text) in shown
    assert "http://prom.monitoring:9090, https://prom.example/tenant" in shown
    assert "analysis.prometheusUrls" in shown


def test_with_an_empty_allow_list_the_remedy_names_the_setting() -> None:
    shown = refusal("http://prom.monitoring:9090", ())
    assert "the operator's list of Prometheus servers is empty" in shown
    assert "PodScrape" in shown


@given(st.text())
def test_no_text_passes_unless_its_normalized_form_is_allowed(text: str) -> None:
    assert refusal(text, ALLOWED)
    assert refusal(ALLOWED[0] + text, ALLOWED) or text in ("", "/")
