"""The users whom the model does not answer, as the transformers get to know them.

A setting of the transformer and no header of the route: it is the same for all versions and for
months, and a transformer that another one asks needs it too (`docs/contracts.md`).
"""

from __future__ import annotations

import hashlib
import json

from recommender_contract import environment
from recommender_operator.observed import ModelObject

#: How many times as many others are measured; the transformer has the same.
TIMES = 4


def salt(model: ModelObject) -> str:
    """Return the settings that the groups depend on, besides the users.

    It survives that the model is created again, for example from a backup.
    """
    return f"holdout-{_digest(f'{model.namespace}/{model.name}')}"


def measure(model: ModelObject) -> str | None:
    """Return the id of the measure; None without a holdout."""
    held = model.spec.events.holdout
    if held is None:
        return None
    content = held.model_dump(mode="json", by_alias=True)
    return _digest(json.dumps([model.uid, content], sort_keys=True))


def variable(model: ModelObject) -> dict[str, str]:
    """Return the variable of the transformers, if there is a holdout."""
    held, id_ = model.spec.events.holdout, measure(model)
    if held is None or id_ is None:
        return {}
    setting = {
        "answers": held.answers.value,
        "cap": held.revenue_cap,
        "id": id_,
        "percent": held.percent,
        "salt": salt(model),
    }
    return {environment.HOLDOUT: json.dumps(setting, sort_keys=True)}


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
