"""Forms come from the console's own pages, and redirects stay on its site."""

from __future__ import annotations

import pytest
from hypothesis import given

from recommender_console.site import same_origin
from tests.unit.recommender_console.test_markup import HOSTILE


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "https://console.example", "Host": "console.example"}, True),
        ({"Origin": "https://evil.example", "Host": "console.example"}, False),
        ({"Origin": "null", "Host": "console.example"}, False),
        ({"Host": "console.example"}, False),
        ({}, False),
        # What the browser says of the site goes before what a header can claim.
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://a", "Host": "a"}, False),
    ],
)
def test_a_form_of_another_site_is_none_of_ours(headers: dict[str, str], own: bool) -> None:
    assert same_origin.is_own(headers) is own


@pytest.mark.parametrize(
    "text", ["https://evil", "//evil", "/\\evil", "javascript:x", "", "/\nx", "models", "/é"]
)
def test_a_redirect_never_leaves_the_site(text: str) -> None:
    assert same_origin.local_path(text) == "/"


@given(HOSTILE)
def test_no_text_leads_elsewhere(text: str) -> None:
    path = same_origin.local_path(text)
    assert path[0] == "/"
    assert path[1:2] not in ("/", "\\")


def test_a_path_of_the_site_is_kept() -> None:
    assert same_origin.local_path("/models/shop/movies?asked=x") == "/models/shop/movies?asked=x"
