"""The transformer's application over fake models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from recommender_serving.domain.types import Answer, RecommendRequest
from recommender_serving.experiments.forwarder import Forwarder
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.experiments.traffic_mirror import TrafficMirror
from recommender_serving.impressions.reporter import Impressions
from recommender_serving.monitoring.readiness import Readiness
from recommender_serving.pipeline.list_assembly import ItemIds
from recommender_serving.pipeline.outgoing import Outgoing
from recommender_serving.pipeline.service import ServedVersion, Service
from recommender_serving.pipeline.stages import ExperimentInstrumentation, build_stages
from recommender_serving.protocols.request_limits import limits_of
from recommender_serving.ranking.exploration import Explorer
from recommender_serving.server import rest_server
from recommender_serving.server.request_bodies import Bodies
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, Parts, giving
from tests.unit.recommender_serving.serving_samples import NOW


class Served:
    """An application over fake models, with a Triton that is ready or not."""

    def __init__(
        self,
        folder: Path,
        parts: Parts | None = None,
        impressions: Impressions | None = None,
        now: Callable[[], float] = lambda: NOW,
        forwarder: Forwarder | None = None,
        explorer: Explorer | None = None,
        copies: TrafficMirror | None = None,
        holdout: Holdout | None = None,
        candidate_forwarder: Forwarder | None = None,
    ) -> None:
        self.parts = parts or Parts(folder, giving(GOOD), giving(PLAIN))
        self.triton_ready = True
        self.readiness = Readiness(self._ready)
        artifact = self.parts.artifact
        ids, version = ItemIds(artifact.item_texts), self.parts.version
        outgoing = Outgoing(
            impressions, forwarder, copies, None if impressions is None else candidate_forwarder
        )
        # Whatever the share, each call is copied.
        self.stages = build_stages(
            "movies", version, artifact.vocabulary, self.parts.metrics, outgoing, ids,
            lambda _: 0, holdout, explorer,
        )  # fmt: skip
        instrumentation = self.stages[-1]
        assert isinstance(instrumentation, ExperimentInstrumentation)
        self.instrumentation = instrumentation
        self.service = Service(
            ServedVersion("recommender", version, limits_of(artifact), ids),
            self.parts.recommender,
            self.readiness,
            outgoing,
            self.stages,
            now=now,
        )
        self.bodies = Bodies()
        self.app = rest_server.build_app(
            self.service, self.bodies, self.parts.registry, artifact.report
        )
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://transformer")

    async def _ready(self) -> bool:
        return self.triton_ready

    def count(self, outcome: str) -> float | None:
        return self.parts.value("recommender_requests_total", outcome=outcome)

    def break_down(self) -> None:
        """A bug: the recommender raises what nobody foresaw."""

        async def fail(*_: Any) -> Any:
            raise ZeroDivisionError("a secret of the inside")

        self.parts.recommender.recommend = fail  # type: ignore

    def break_for(self, *users: int) -> None:
        """A bug that requests of these users meet."""
        chain = self.parts.chain
        answer = chain.answer

        async def answer_or_fail(
            request: RecommendRequest, deadline: float | None = None
        ) -> Answer:
            if request.user_id in users:
                raise ZeroDivisionError("a secret of the inside")
            return await answer(request, deadline)

        chain.answer = answer_or_fail  # type: ignore[method-assign]

    @classmethod
    async def opened(
        cls,
        folder: Path,
        parts: Parts | None = None,
        impressions: Impressions | None = None,
        now: Callable[[], float] = lambda: NOW,
        forwarder: Forwarder | None = None,
        explorer: Explorer | None = None,
        copies: TrafficMirror | None = None,
        holdout: Holdout | None = None,
        candidate_forwarder: Forwarder | None = None,
    ) -> Served:
        """Ready, as after a warm-up."""
        served = cls(
            folder,
            parts,
            impressions,
            now,
            forwarder,
            explorer,
            copies,
            holdout,
            candidate_forwarder,
        )

        async def nothing() -> None:
            return None

        await served.readiness.open(nothing)
        return served
