"""`GET /v1/experiments/<model>/<id>`: moments over the users of each arm, for the operator."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from recommender_collector.api.bodies import Refused
from recommender_collector.api.events import failure
from recommender_collector.domain.checks import is_experiment
from recommender_collector.domain.experiments import Spans
from recommender_collector.domain.formats import Damaged
from recommender_collector.store.experiments import Account, ExperimentStore

#: It stays damaged, so asking again soon is of no use.
DAMAGED_SECONDS = 60
PATH = "/v1/experiments/{model}/{experiment}"


class Reports:
    """Answers what the experiments have measured."""

    def __init__(self, models: Mapping[str, Spans], store: ExperimentStore) -> None:
        self._models = models
        self._store = store

    async def get(self, request: Request) -> Response:
        """Answer 200; without a phase, if no impression of the experiment has been applied."""
        model, name = request.path_params["model"], request.path_params["experiment"]
        try:
            account = await self._account(model, name)
        except Refused as refused:
            return failure(refused)
        return Response(orjson.dumps(shown(name, account)), media_type="application/json")

    async def _account(self, model: str, name: str) -> Account:
        if model not in self._models:
            known = ", ".join(sorted(self._models)[:10])
            raise Refused(404, f"model: got {model[:60]!r}; give one of {known}")
        if not is_experiment(name):
            raise Refused(400, f"experiment: got {name[:60]!r}; give 8 lowercase hex digits")
        try:
            return await self._store.read(model, name, self._models[model])
        except Damaged as error:
            text = (
                f"experiment {name}: {error}; abort the rollout, a new one is another experiment"
            )
            raise Refused(503, text, DAMAGED_SECONDS) from None
        except (RedisError, OSError) as error:
            text = f"the store does not answer ({type(error).__name__}): ask again"
            raise Refused(503, text, 1) from None


def shown(name: str, account: Account) -> dict[str, object]:
    """Return the answer."""
    phases = [
        {
            "phase": phase,
            "since": since / 1000,
            "arms": [
                moments.shown(arm)
                for arm, moments in sorted(account.moments.get(phase, {}).items())
            ],
        }
        for phase, since in sorted(account.since.items())
    ]
    return {
        "experiment": name,
        "watermark": account.watermark,
        "ignored": account.ignored,
        "phases": phases,
    }
