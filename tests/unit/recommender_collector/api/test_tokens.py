"""The admin port admits bearer tokens of a file, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recommender_collector.api.tokens import InvalidToken, Tokens, guarded
from recommender_collector.collector_metrics import CollectorMetrics

TOKEN = "a-token-of-the-admin-port"
REFUSED = "recommender_collector_refused_requests_total"


class Desk:
    def __init__(self, file: Path) -> None:
        self.registry, self.served, self.now = CollectorRegistry(), 0, 0.0

        async def serve(_: Request) -> Response:
            self.served += 1
            return Response("ok")

        app = Starlette(routes=[Route("/", serve, methods=["GET", "DELETE"])])
        metrics = CollectorMetrics(self.registry, ["shop"])
        self.guard = guarded(app, Tokens(file), metrics, lambda: self.now)

    async def asked(
        self, header: str | None, method: str = "DELETE", address: str = "10.0.0.1"
    ) -> httpx.Response:
        headers = {} if header is None else {b"authorization": header.encode("latin-1")}
        transport = httpx.ASGITransport(self.guard, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
            return await client.request(method, "/", headers=headers)

    def refused(self, reason: str) -> float | None:
        return self.registry.get_sample_value(REFUSED, {"reason": reason})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "token"
    found.write_text(f"{TOKEN}\n")
    return found


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
     f"Bearer{TOKEN}", TOKEN, "Bearer \xff", f"Bearer {TOKEN} {TOKEN}"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_who_has_no_token_is_refused_before_anything_is_done(
    header: str | None, method: str, file: Path
) -> None:
    desk = Desk(file)
    answer = await desk.asked(header, method)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["error"]
    assert TOKEN not in answer.text
    assert (desk.served, desk.refused("unauthenticated")) == (0, 1)


async def test_an_address_that_guesses_tokens_is_slowed_down_and_the_others_are_not(
    file: Path,
) -> None:
    desk, right = Desk(file), f"Bearer {TOKEN}"
    guesses = [(await desk.asked(f"Bearer {n:020}")).status_code for n in range(30)]
    assert guesses == [401] * 10 + [429] * 20
    slowed = await desk.asked(right)
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "1")
    assert "www-authenticate" not in slowed.headers
    assert (desk.served, desk.refused("unauthenticated")) == (0, 31)
    assert (await desk.asked(right, address="10.0.0.2")).status_code == 200
    desk.now = 1.0
    assert (await desk.asked(right)).status_code == 200, "after a second it may ask again"


async def test_right_tokens_are_not_bounded(file: Path) -> None:
    desk = Desk(file)
    assert {(await desk.asked(f"Bearer {TOKEN}")).status_code for _ in range(50)} == {200}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_who_has_the_token_is_served(scheme: str, file: Path) -> None:
    assert (await Desk(file).asked(f"{scheme} {TOKEN}")).status_code == 200


async def test_a_rotated_token_needs_no_restart_and_may_overlap_with_the_former(
    file: Path,
) -> None:
    desk, newer = Desk(file), "another-token-of-the-port"
    for content, statuses in (
        (TOKEN, (200, 401)), (f"{newer}\n{TOKEN}", (200, 200)), (newer, (401, 200)),
    ):  # fmt: skip
        file.write_text(content)
        found = [(await desk.asked(f"Bearer {each}")).status_code for each in (TOKEN, newer)]
        assert tuple(found) == statuses


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"), (b"", "no token"), (b" \n", "no token"), (b"short", "16"),
        (b"\xffa-token-of-the-admin-port", "ASCII"), (b"x" * 5000, "no token"),
        (f"{TOKEN}\nshort".encode(), "16"),
    ],
)  # fmt: skip
async def test_a_file_without_a_token_admits_nobody(
    content: bytes | None, said: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(file)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(InvalidToken, match=said) as caught:
        Tokens(file).read()
    with caplog.at_level(logging.WARNING):
        answer = await desk.asked(f"Bearer {TOKEN}")
    assert (answer.status_code, desk.served) == (503, 0)
    for text in (str(caught.value), caplog.text, answer.text):
        assert TOKEN not in text
        assert "short" not in text
