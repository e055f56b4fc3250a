"""`GET /v1/experiments/<model>/<id>`: moments over the users of each arm, for the operator.

The parameter `details=<phase>` adds what only one phase has: what users did by their days and
by their segments. `kind=holdout` says of an id that the collector does not know yet that it is
that of a holdout's measure, which has another place.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from recommender_collector.api.event_routes import failure
from recommender_collector.api.request_bodies import Refused, require_model, unavailable
from recommender_collector.domain.checks import is_arm, is_experiment, is_phase
from recommender_collector.domain.formats import Damaged
from recommender_collector.experiments.experiment import OTHER, Spans, part_of
from recommender_collector.experiments.moments import Moments, days_of
from recommender_collector.store.experiment_store import Account, ExperimentStore
from recommender_contract.events import HELD

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
            detailed = _phase_of(request.query_params.get("details"))
            is_measure = _is_measure(request.query_params.get("kind"))
            account = await self._account(model, name, is_measure=is_measure)
        except Refused as refused:
            return failure(refused)
        told = shown(name, account, detailed)
        return Response(orjson.dumps(told), media_type="application/json")

    async def _account(self, model: str, name: str, *, is_measure: bool) -> Account:
        require_model(model, self._models)
        if not is_experiment(name):
            raise Refused(400, f"experiment: got {name[:60]!r}; give 8 lowercase hex digits")
        try:
            spans = self._models[model]
            return await self._store.read(model, name, spans, is_measure=is_measure)
        except Damaged as error:
            text = (
                f"experiment {name}: {error}; abort the rollout, a new one is another experiment "
                "(of a holdout: set another events.holdout.period)"
            )
            raise Refused(503, text, DAMAGED_SECONDS) from None
        except (RedisError, OSError) as error:
            raise unavailable(error) from None


def shown(name: str, account: Account, detailed: int | None = None) -> dict[str, object]:
    """Return the answer, with the details of one phase."""
    phases = [
        {
            "phase": phase,
            "since": since / 1000,
            "arms": _arms(account, account.moments.get(phase, {}), detailed=phase == detailed),
        }
        for phase, since in sorted(account.since.items())
    ]
    return {
        "experiment": name,
        "watermark": account.watermark,
        "ignored": account.ignored,
        "phases": phases,
    }


def _arms(
    account: Account, cells: Mapping[str, Moments], *, detailed: bool
) -> list[dict[str, object]]:
    arms = {cell: found for cell, found in sorted(cells.items()) if is_arm(cell)}
    if not detailed:
        return [found.shown(arm) for arm, found in arms.items()]
    return [found.shown(arm) | _details(account, arm, cells) for arm, found in arms.items()]


def _details(account: Account, arm: str, cells: Mapping[str, Moments]) -> dict[str, object]:
    """Return the cells of an arm; one whose users are all mixed has none."""
    days = cells.get(days_of(arm))
    if days is None:
        return {}
    segments = [
        {"feature": feature, "value": value} | found.shown_cell()
        for feature, values in sorted(account.segments.items())
        for place, value in (*enumerate(values), (OTHER, None))
        if (found := cells.get(f"{arm} {part_of(feature, place)}")) is not None and found.users
    ]
    return {"days": days.shown_cell(), "segments": segments}


def _is_measure(text: str | None) -> bool:
    if text not in (None, HELD):
        raise Refused(400, f"kind: got {text[:60]!r}; give {HELD}, or leave it out")
    return text == HELD


def _phase_of(text: str | None) -> int | None:
    if text is None:
        return None
    phase = int(text) if text.isdecimal() and len(text) <= 2 else -1
    if not is_phase(phase):
        raise Refused(400, f"details: got {text[:60]!r}; give the number of a phase")
    return phase
