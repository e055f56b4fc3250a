"""`recommender-simulate` against a real transformer, collector and writer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recommender_client.simulation.__main__ import run
from recommender_serving.impressions.reporter import Bounds
from tests import collector_rig
from tests.collector_rig import until
from tests.integration.collector.test_impressions import transformer


async def simulated(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any, str]:
    """The exit code, the summary and the progress."""
    code = await asyncio.to_thread(run, [*words, "-o", "json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out) if code == 0 else None, shown.err


async def test_what_the_summary_says_is_in_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with collector_rig.running(tmp_path) as rig:
        bounds = Bounds(gather_seconds=0.05)
        async with transformer(tmp_path / "artifact", rig.url, bounds) as (client, _):
            url = str(client._http.base_url)
            words = (
                url, "--collector", rig.url, "--user-name", "user-{}", "--users", "30",
                "--answers", "200", "--top-n", "3", "--click", "0.6", "--buy", "0.5",
                "--seed", "3", "--deadline", "20",
            )  # fmt: skip
            code, summary, _ = await simulated(*words, capsys=capsys)
        assert code == 0
        (arm,) = summary["arms"].values()
        sent = arm["answers"] + arm["clicks"] + arm["purchases"]
        await asyncio.to_thread(until, lambda: len(rig.archived()) >= sent)
        kinds = Counter(row["kind"] for row in rig.archived())
    assert list(summary["arms"]) == ["movies-1"]
    assert (summary["failed"], summary["undelivered"], arm["answers"]) == (0, 0, 200)
    assert arm["clicks"] > arm["purchases"] > 0
    assert kinds == {
        "impression": 200, "click": arm["clicks"], "purchase": arm["purchases"],
    }  # fmt: skip
    assert abs(arm["click_through"] - arm["expected_click_through"]) < 4 * arm["half_interval"]


async def test_an_endpoint_that_is_gone_is_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        code = await asyncio.to_thread(run, [url, "--answers", "3", "--deadline", "0.2"])
    assert code == 1
    assert "3 queries failed" in capsys.readouterr().out


async def test_a_query_that_is_refused_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with collector_rig.running(tmp_path) as rig:
        async with transformer(tmp_path / "artifact", rig.url, Bounds()) as (client, _):
            # The model has texts as ids, and these are numbers.
            url = str(client._http.base_url)
            code, _, said = await simulated(url, "--answers", "5", capsys=capsys)
    assert code == 1
    assert "recommender-simulate:" in said
