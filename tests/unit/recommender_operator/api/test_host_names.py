import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api import host_names

DOMAIN = "recommender.local"
POLICY = host_names.policy(
    {"shop": ["shop.example.com"], "team-*": ["{namespace}.example.com"], "*": ["open.example"]}
)
LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)


def refused(host: str, namespace: str = "shop") -> str:
    return host_names.refusal(host, host_names.allowed(POLICY, namespace, DOMAIN))


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        ("films.shop.recommender.local", "shop"),
        ("a.b.shop.recommender.local", "shop"),
        ("shop.example.com", "shop"),
        ("films.shop.example.com", "shop"),
        ("xn--bcher-kva.shop.example.com", "shop"),
        ("x.team-a.example.com", "team-a"),
        ("x.open.example", "anybody"),
    ],
)
def test_a_host_below_a_suffix_of_its_namespace_is_allowed(host: str, namespace: str) -> None:
    assert refused(host, namespace) == ""


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        ("evilshop.example.com", "shop"),
        ("example.com", "shop"),
        ("shop.example.com.evil.example", "shop"),
        ("films.news.recommender.local", "shop"),
        ("films.xshop.recommender.local", "shop"),
        ("recommender.local", "shop"),
        ("films.shop.example.com", "shops"),
        ("films.shop.example.com", "workshop"),
        ("x.team-a.example.com", "team-b"),
        ("x.team.example.com", "team"),
        ("x.xopen.example", "shop"),
    ],
)
def test_a_host_outside_is_refused_with_field_value_suffixes_and_remedy(
    host: str, namespace: str
) -> None:
    shown = refused(host, namespace)
    assert f"serving.host {host!r}" in shown
    assert f"{namespace}.recommender.local" in shown
    assert "gateway.allowedHosts" in shown


@pytest.mark.parametrize(
    "host",
    [
        "Films.shop.example.com",
        "films.shop.example.com.",
        ".films.shop.example.com",
        "films..shop.example.com",
        "*.shop.example.com",
        "*",
        "",
        "-a.shop.example.com",
        "a-.shop.example.com",
        "a_b.shop.example.com",
        "b\u00fccher.shop.example.com",
        "films.shop.example.com\n",
        "films.shop.example.com:80",
        "films/.shop.example.com",
        "10.0.0.1",
        "1",
        "shop.example.10",
        "a" * 64 + ".shop.example.com",
        ".".join(["a"] * 130) + ".shop.example.com",
    ],
)
def test_an_invalid_host_name_is_refused_with_the_valid_form(host: str) -> None:
    shown = refused(host)
    assert "must be a host name in lower case" in shown
    assert len(shown) < 600


@pytest.mark.parametrize(
    ("suffixes", "shown"),
    [
        ({"Shop": []}, "'Shop' must be a namespace"),
        ({"a.b": []}, "'a.b' must be a namespace"),
        ({"shop": [".example.com"]}, "suffix '.example.com' of 'shop'"),
        ({"shop": ["*.example.com"]}, "must be a host name"),
        ({"shop": ["{name}.example.com"]}, "must be a host name"),
        ({"shop": [""]}, "must be a host name"),
    ],
)
def test_an_invalid_policy_is_refused(suffixes: dict[str, list[str]], shown: str) -> None:
    with pytest.raises(ValueError, match="must be") as failure:
        host_names.policy(suffixes)
    assert shown in str(failure.value)


def test_a_wildcard_covers_whole_labels_below_it() -> None:
    assert host_names.covers("*.example.com", "a.example.com")
    assert host_names.covers("*.example.com", "a.b.example.com")
    assert not host_names.covers("*.example.com", "example.com")
    assert not host_names.covers("*.example.com", "aexample.com")
    assert host_names.covers("a.example.com", "a.example.com")
    assert not host_names.covers("b.example.com", "a.example.com")


@given(LABEL, LABEL, LABEL, LABEL)
def test_two_models_never_have_one_default_host(a: str, b: str, c: str, d: str) -> None:
    same = host_names.default(a, b, DOMAIN) == host_names.default(c, d, DOMAIN)
    assert same == ((a, b) == (c, d))


@given(LABEL, LABEL)
def test_a_default_host_is_allowed_only_in_its_own_namespace(a: str, b: str) -> None:
    host = host_names.default("films", a, DOMAIN)
    assert host_names.refusal(host, host_names.allowed((), a, DOMAIN)) == ""
    other = host_names.refusal(host, host_names.allowed((), b, DOMAIN))
    assert (other == "") == (a == b)


@given(st.text(max_size=20), LABEL, LABEL)
def test_no_text_reaches_the_part_of_another_namespace(text: str, a: str, b: str) -> None:
    host = f"{text}.{b}.{DOMAIN}"
    if a != b:
        assert host_names.refusal(host, host_names.allowed((), a, DOMAIN))
