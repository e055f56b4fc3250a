"""Notifications with the operator's account, a real API server and a real receiver."""

from __future__ import annotations

import asyncio
import pathlib

import pytest
from aiohttp import web

from recommender_operator.adapters.kinds import MODELS
from recommender_operator.adapters.notifications.http_post import HttpPoster
from recommender_operator.adapters.notifications.notifier import Notifier
from recommender_operator.adapters.objects.parsed_objects import model_object
from recommender_operator.api.version import VersionStage
from recommender_operator.controller.client import OfficialKube
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.process import notification_setup
from recommender_operator.process.runtime import utc_now
from recommender_operator.process.settings import load
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.unit.recommender_operator.adapters.podserver import serving
from tests.unit.recommender_operator.notifications.samples import decided
from tests.unit.recommender_operator.test_edges import ENVIRONMENT

pytestmark = pytest.mark.integration


class Receiver:
    """It is down at first."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.tries = 0

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        self.tries += 1
        if self.tries == 1:
            return web.Response(status=503)
        self.ids.append(str(request.headers["webhook-id"]))
        return web.Response(status=204)


async def events(namespace: str) -> list[str]:
    columns = "custom-columns=:reason,:message"
    words = ("-n", namespace, "get", "events", "--no-headers", "-o", columns)
    found = await asyncio.to_thread(rig.kubectl, *words)
    return [line for line in found.splitlines() if line.startswith("Notifi")]


async def test_a_decision_is_sent_once_though_the_receiver_was_down_and_the_leader_changed(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    raw = await kube.create(MODELS, rig.manifest(namespace))
    assert raw is not None
    model = model_object(raw)
    operator = rig.open_kube(account.clusterwide_config(tmp_path))
    receiver = Receiver()
    async with serving(receiver) as port:
        settings = load(
            ENVIRONMENT
            | {
                "RECOMMENDER_NOTIFICATIONS": '[{"name": "ci", "type": "Webhook"}]',
                "RECOMMENDER_NOTIFICATIONS_DIR": str(tmp_path),
                "RECOMMENDER_NOTIFICATION_HOSTS": f"127.0.0.1:{port}",
            }
        )
        (tmp_path / "ci.url").write_text(f"http://127.0.0.1:{port}/hook", encoding="utf-8")
        (tmp_path / "ci.key").write_text("whsec_" + "a2tr" * 8, encoding="utf-8")
        decision = decided(VersionStage.ROLLED_BACK, utc_now())
        for _leader in range(2):
            async with HttpPoster.session() as session:
                notifier = notification_setup.notifier(
                    settings, operator, session, Metrics(), utc_now
                )
                notifier.take_up(model, [decision])
                await send(notifier)
    await operator.close()
    assert (receiver.tries, len(receiver.ids)) == (2, 1)
    (line,) = await events(namespace)
    assert "sent to ci: movies-0123abcd of movies in" in line


async def send(notifier: Notifier) -> None:
    """Send what there is, as the task of a leader does."""
    (dispatcher,) = notifier._dispatchers
    while dispatcher._jobs:
        await dispatcher.handle(dispatcher._jobs.popleft())
