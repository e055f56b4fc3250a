"""Quotas of keys, users and models over HTTP: 429 with a `Retry-After` that says when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from tests import collector_rig
from tests.collector_rig import Rig, clicks

#: Events of the request that uses up a quota of one event a second: 10 are there at first.
MANY = 100
KEYS = {"web": "the-key-of-the-web-shop", "app": "the-key-of-the-app"}


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """A collector whose quota of one kind is an event a second."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for source, key in KEYS.items():
        (keys / f"shop.{source}").write_text(key)
    with collector_rig.running(
        tmp_path,
        serve_options=(f"--{request.param}-events=1",),
        environ={"RECOMMENDER_API_KEYS": str(keys)},
        with_writer=False,
    ) as found:
        yield found


def send(rig: Rig, source: str, start: int, count: int = 1, user: str = "") -> httpx.Response:
    sent = clicks(start, count)
    content = orjson.dumps([{**each, "user": user or each["user"]} for each in sent])
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {KEYS[source]}",
    }
    return httpx.post(f"{rig.url}/v1/events", content=content, headers=headers, timeout=60)


def assert_refused(answer: httpx.Response, name: str) -> None:
    assert answer.status_code == 429, answer.text
    # The others of these 100 events are owed: a busy machine takes less than 30 s to ask.
    assert 60 <= int(answer.headers["Retry-After"]) <= MANY
    assert name in answer.text
    assert "events a second: send it again in" in answer.text


@pytest.mark.parametrize("rig", ["source"], indirect=True)
def test_a_key_over_its_quota_gets_429_and_another_key_does_not(rig: Rig) -> None:
    assert send(rig, "web", 0, MANY).status_code == 200
    assert_refused(send(rig, "web", MANY), "source 'web'")
    assert send(rig, "app", MANY).status_code == 200


@pytest.mark.parametrize("rig", ["model"], indirect=True)
def test_a_model_over_its_quota_gets_429_whichever_key_sends(rig: Rig) -> None:
    assert send(rig, "web", 0, MANY).status_code == 200
    assert_refused(send(rig, "web", MANY), "model 'shop'")
    assert_refused(send(rig, "app", MANY), "model 'shop'")


@pytest.mark.parametrize("rig", ["user"], indirect=True)
def test_a_user_over_the_quota_gets_429_and_another_user_does_not(rig: Rig) -> None:
    assert send(rig, "web", 0, MANY, "ada").status_code == 200
    assert_refused(send(rig, "web", MANY, user="ada"), "user")
    assert send(rig, "web", MANY, user="bob").status_code == 200
