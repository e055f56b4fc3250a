"""One assembly: an event in training and its item in a list of the same request are one input."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.features import catalogue_state, event_features
from recommender_training.features.assembly import Inputs, Requests, assemble
from tests.unit.recommender_training.features.test_history_features import (
    FROZEN,
    LENGTH,
    dataset_of,
    event,
)

Rows = list[tuple[int, int, float, int]]


@given(rows=st.lists(event, min_size=1, max_size=30), pick=st.integers(0, 29))
def test_an_event_has_the_inputs_of_its_item_in_the_catalogue_of_the_same_request(
    rows: Rows, pick: int
) -> None:
    data = dataset_of(rows)
    events, row = data.events, pick % len(rows)
    features = event_features.Features.of(data, LENGTH, FROZEN)
    user, time = int(events.user[row]), int(events.time[row])
    past = features.parts.past.before(np.array([row]), LENGTH)[0]
    context = events.context_of(np.array([row]))[0]
    session = past[past >= 0]
    request = Requests.padded(np.array([user]), np.array([time]), [session], LENGTH, context[None])
    known = catalogue_state.CatalogueState.at(data, time, FROZEN.groups)
    every = np.arange(data.items.count)[None]
    candidates = catalogue_state.candidates(
        data, known, FROZEN.groups, FROZEN.prior, request, every
    )
    listed = assemble(data, FROZEN, request, candidates).take(torch.tensor([events.item[row]]))
    own = features.take(torch.tensor([row]))
    for field in fields(Inputs):
        if field.name != "label":
            found, wanted = getattr(listed, field.name), getattr(own, field.name)
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5, msg=field.name)


def test_the_candidates_of_one_request_are_not_mixed_with_those_of_another() -> None:
    rows: Rows = [(n % 3, n % 6, float(1 + n % 5), 1000 + n) for n in range(24)]
    data = dataset_of(rows)
    parts = event_features.EventParts.of(data, LENGTH, FROZEN.groups, FROZEN.prior)
    both = event_features.Features.of(data, LENGTH, FROZEN).take(torch.tensor([22, 23]))
    for number, row in enumerate((22, 23)):
        alone = assemble(data, FROZEN, *parts.take(np.array([row])))
        for field in fields(Inputs):
            if field.name != "label":
                found = getattr(both, field.name)[number : number + 1]
                torch.testing.assert_close(found, getattr(alone, field.name), rtol=0, atol=1e-6)
