"""Whether the serving path gave the request of an event to its user."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from recommender_collector.domain.effects import number
from recommender_collector.domain.events import Id
from recommender_collector.domain.validation import Proof, Rules
from recommender_contract.signed_ids import verified
from recommender_serving.key_file import KeyFile


def with_proofs(
    models: Mapping[str, Rules], file: KeyFile, count: Callable[[str, bool], None]
) -> dict[str, Rules]:
    """Return the rules that verify request ids; `count` gets the model and the result of each."""
    return {
        name: dataclasses.replace(rules, proof=proof_of(name, file, count))
        for name, rules in models.items()
    }


def proof_of(model: str, file: KeyFile, count: Callable[[str, bool], None]) -> Proof:
    """Return what verifies the request ids of a model."""

    def proof(request: str, user: Id) -> tuple[str, bool | None]:
        keys = file.keys()
        if not keys:
            return request, None
        id_ = verified(request, model, number(user), keys)
        count(model, id_ is not None)
        return (request, False) if id_ is None else (id_, True)

    return proof
