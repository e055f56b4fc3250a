"""A real collector knows who sends events by their keys, until these are revoked."""

from __future__ import annotations

from pathlib import Path

from recommender_client import EventClient, InvalidEvents, events
from tests import collector_rig
from tests.collector_rig import ADMITTED, until

WEB, SERVING = "the-key-of-the-web-shop", "the-key-of-the-served-models"


def test_events_have_the_source_of_their_key_and_none_is_taken_without_one(
    tmp_path: Path,
) -> None:
    keys, served = tmp_path / "keys", tmp_path / "served"
    for folder, name, key in ((keys, "shop.web", WEB), (served, "key", SERVING)):
        folder.mkdir()
        (folder / name).write_text(key)
    environ = {"RECOMMENDER_API_KEYS": str(keys), "RECOMMENDER_COLLECTOR_KEYS": str(served)}

    def send(key: str | None, user: str, count: int = 1) -> None:
        with EventClient(rig.url, api_key=key, deadline=60) as client:
            client.send(*(events.click(user, f"i{number}") for number in range(count)))

    def refused(key: str | None) -> bool:
        try:
            send(key, "eve")
        except InvalidEvents as error:
            return "key" in str(error)
        return False

    with collector_rig.running(tmp_path, environ=environ) as rig:
        send(WEB, "ada", 20)
        send(SERVING, "bob")
        assert refused(None)
        assert refused("a-key-that-somebody-made-up")
        # The token of the admin port is no key, and no key is a token.
        assert refused(ADMITTED["Authorization"].removeprefix("Bearer "))
        (keys / "shop.web").unlink()
        until(lambda: refused(WEB))
        until(lambda: {each["user"] for each in rig.archived()} >= {"ada", "bob"})
        found = {
            (each["user"], each["source"]) for each in rig.archived() if each["user"] != "eve"
        }
        assert found == {("ada", "web"), ("bob", "serving")}
        logs = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert not any(key in logs for key in (WEB, SERVING))
