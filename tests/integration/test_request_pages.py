"""The pages on requests and events, command by command and snippet by snippet.

Transformers, collector and Redis are real processes behind the addresses of the pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from recommender_contract.ids import hashed
from tests.collector_rig import until
from tests.integration.page_services import Services, genre, opened
from tests.pages import blocks, howtos

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with opened(tmp_path_factory.mktemp("services")) as services:
        yield services


def shown_after(command: str) -> str:
    """What a page shows below a command, as a comment."""
    (block,) = (each for each in blocks.of("sh") if command in each.text)
    return "\n".join(re.findall(r"^# ?(.*)$", block.text, re.MULTILINE))


def prediction(said: str) -> dict[str, object]:
    (found,) = json.loads(said)["predictions"]
    return dict(found)


def items(found: dict[str, object]) -> set[int]:
    listed = found["items"]
    assert isinstance(listed, list)
    return set(listed)


def test_each_page_that_is_read_here_has_a_test() -> None:
    own = [page for page, tests in howtos.READ.items() if howtos.REQUESTS in tests]
    tests = {name for name in globals() if name.startswith("test_page_")}
    assert tests == {f"test_page_{page}".replace("-", "_") for page in own}


def test_page_requests(services: Services) -> None:
    with services.reading("requests") as page:
        found = prediction(page.next('"top_n": 5'))
        assert (len(items(found)), found["source"]) == (5, "model")
        assert 50 not in items(found)
        similar = items(prediction(page.next('"allow": {"genre": ["Drama"]}')))
        assert {genre(item) for item in similar} == {"Drama"}
        assert not {50, 181, 172} & similar
        assert " model " in page.next("client.recommend")
        outputs = json.loads(page.next("ModelInfer"))["outputs"]
        assert {"item_ids", "scores", "source"} <= {each["name"] for each in outputs}
        assert "b'model'" in page.next("tritonclient.http")


def test_page_request_fields(services: Services) -> None:
    with services.reading("request-fields") as page:
        found = prediction(page.next('"session_id": "b1f0"'))
        assert (len(items(found)), 242 in items(found)) == (3, False)
        shown = re.findall(r'"(\w+)":', shown_after('"session_id": "b1f0"'))
        assert ["predictions", *found] == shown
        (listed,) = (
            each["data"]
            for each in json.loads(page.next('"session_items"'))["outputs"]
            if each["name"] == "item_ids"
        )
        assert (len(listed), {242, 302} & {*listed}) == (3, set())
        assert "b'model'" in page.next("tritonclient.grpc")


def test_page_serving(services: Services) -> None:
    with services.reading("serving") as page:
        page.next("recommender-serving verify")


@pytest.fixture(scope="module")
def ada(services: Services) -> Services:
    """The services after the page on sending events."""
    with services.reading("send-events") as page:
        assert page.next("/v1/events").strip() == shown_after('"id": "9f2c-1"')
        # No event was rejected.
        assert page.next("EventClient") == ""
    archived = services.rig.archived
    until(lambda: [each["user"] for each in archived()].count("ada") == 6)
    return services


@pytest.fixture(scope="module")
def simulated(services: Services) -> Services:
    """The services after the page on simulated users."""
    shorter = {"--seconds 600 --rate 50": "--seconds 2 --rate 20"}
    with services.reading("simulate-users", shorter) as page:
        assert "answers" in page.next("recommender-simulate")
    return services


def test_page_send_events(ada: Services) -> None:
    """What the fixture typed is in the files, until a page erases the user."""
    assert ada.rig.archived()


def test_page_simulate_users(simulated: Services) -> None:
    until(lambda: len({each["user"] for each in simulated.rig.archived()} - {"ada"}) > 1)


def test_page_erasure(services: Services, ada: Services, simulated: Services) -> None:
    """The user of the page on sending events is forgotten, and the simulated ones are not."""
    rig = services.rig
    with services.reading("erasure") as page:
        assert hashed("ada") in services.check()
        page.next("-X DELETE")
        until(lambda: "ada" not in {each["user"] for each in rig.archived()})
        assert rig.archived()
        left = services.check()
        assert (hashed("ada") in left, left != []) == (False, True)
        until(lambda: not [*(rig.files / "shop" / "_erasing").glob("*-*.json")])
        assert json.loads(page.next("find-user"))["gone"]
        page.next("recommender-training erase")
        left = services.check()
        assert (hashed("ada") in left, left != []) == (False, True)
