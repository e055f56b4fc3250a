"""`GET /v1/outcomes/<model>/<version>`: what became of predictions, for the operator."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from recommender_collector.api.event_routes import failure
from recommender_collector.api.request_bodies import Refused, require_model, unavailable
from recommender_collector.domain.checks import is_arm
from recommender_collector.outcomes.outcome_sums import OutcomeSums
from recommender_collector.outcomes.prediction_segments import Values, named
from recommender_collector.outcomes.predictions import LabelRule
from recommender_collector.store.outcome_store import Account, OutcomeStore

PATH = "/v1/outcomes/{model}/{version}"


class OutcomeReports:
    """Answers what became of the predictions of versions."""

    def __init__(self, rules: Mapping[str, LabelRule | None], store: OutcomeStore) -> None:
        self._rules = rules
        self._store = store

    async def get(self, request: Request) -> Response:
        """Answer 200; without a day, if none is closed or the label is no outcome."""
        model, version = request.path_params["model"], request.path_params["version"]
        try:
            require_model(model, self._rules)
            if not is_arm(version):
                raise Refused(400, f"version: got {version[:60]!r}; give the name of a version")
            account = await self._account(model, version)
        except Refused as refused:
            return failure(refused)
        return Response(orjson.dumps(shown(version, account)), media_type="application/json")

    async def _account(self, model: str, version: str) -> Account | None:
        rule = self._rules[model]
        if rule is None:
            return None
        try:
            return await self._store.read(model, version, rule)
        except (RedisError, OSError) as error:
            raise unavailable(error) from None


def _segments(sums: OutcomeSums, known: Values) -> dict[str, object]:
    """Return the sums of segments; nothing if there are none, as before there were any."""
    found = [
        {"feature": name[0], "value": name[1], **part}
        for place, part in sums.shown_parts().items()
        if (name := named(known, place)) is not None
    ]
    return {"segments": found} if found else {}


def shown(version: str, account: Account | None) -> dict[str, object]:
    """Return the answer; without an account, the label is no outcome of impressions."""
    if account is None:
        return {"version": version, "counts": False, "days": []}
    days = [
        {"day": day, **sums.shown(), **_segments(sums, account.segments)}
        for day, sums in sorted(account.days.items())
    ]
    return {
        "version": version,
        "counts": True,
        "watermark": account.watermark,
        "closesAfterSeconds": account.closes_after,
        "ignored": account.ignored,
        "days": days,
    }
