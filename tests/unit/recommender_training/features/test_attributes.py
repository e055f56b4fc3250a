"""A user attribute is declared once: inputs, models and exported graphs follow from that."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from recommender_training.common.arrays import Doubles
from recommender_training.evaluation import ranking
from recommender_training.export import build, parity, torchscript
from recommender_training.features import attributes, declared, table
from recommender_training.features.assembly import Inputs
from recommender_training.features.prepared import Prepared
from recommender_training.features.state import State
from recommender_training.models import logistic, ranker
from recommender_training.models.ranker import Ranker
from recommender_training.statistics.calibration import Calibration

#: A number in bands that nothing in the package names.
LOYALTY = declared.Attribute("loyalty", None, ("new", "known", "old"), (10, 100), 1000)


@pytest.fixture
def loyal(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """The data with one more declared attribute, and nothing else changed."""
    monkeypatch.setattr(attributes, "USER_ATTRIBUTES", (*declared.USER_ATTRIBUTES, LOYALTY))
    users = prepared.data.users
    side = np.c_[users.side, np.arange(users.count) % 200 - 1]
    data = dataclasses.replace(prepared.data, users=dataclasses.replace(users, side=side))
    inputs = table.build(data, prepared.history_length, prepared.constants)
    return dataclasses.replace(prepared, data=data, inputs=inputs)


def deep_ranker(loyal: Prepared) -> Ranker:
    """Its weights are random and large, so that a wrong bucket shows."""
    torch.manual_seed(0)
    data, rows = loyal.data, torch.from_numpy(loyal.split.train)
    size = ranker.RankerSize(data.users.count, attributes.sizes(data.users), 8, 0.0, 0.0)
    model = ranker.create(data, loyal.inputs, rows, size=size).eval()
    for side in model.side:
        torch.nn.init.normal_(side.get_parameter("weight"))
    return model


def test_an_attribute_that_is_declared_is_among_the_inputs(loyal: Prepared) -> None:
    value = loyal.data.users.side[loyal.data.events.user, 3]
    expected = np.where(value < 0, 0, np.digitize(value, LOYALTY.edges) + 1)
    assert loyal.kept.side[:, 3].tolist() == expected.tolist()
    assert set(expected) >= {0, 1, 2}, "unknown and two bands at least"


@pytest.mark.parametrize("name", ["recommender", "baseline"])
def test_exported_graphs_read_a_declared_attribute_as_the_models_do(
    loyal: Prepared, name: str
) -> None:
    data, length = loyal.data, loyal.history_length
    state = State.at(data, None, loyal.constants.groups)
    known = build.Knowledge(data, loyal.constants, state, None, length)
    deep = deep_ranker(loyal)
    rows = loyal.split.train
    linear = logistic.fit(loyal.inputs, rows, data, data.events.label, penalty=1.0)

    def scorer(inputs: Inputs) -> Doubles:
        if name == "baseline":
            return linear.logits(inputs, data)
        with torch.inference_mode():
            found: Doubles = deep(inputs).double().numpy()
        return found

    made: torch.nn.Module = (
        build.logistic_module(linear, known, Calibration())
        if name == "baseline"
        else build.ranker_module(deep, known, Calibration())
    )
    graph = torchscript.loaded(torchscript.archive(made))
    task = ranking.reveal_half(data, loyal.split.test, length)
    parity.check(graph, scorer, known, task.requests[:10], parity.Lists())
    inputs = ranking.catalogue_inputs(data, loyal.constants, state, task.requests[0], length)
    other = inputs.side.clone()
    other[:, 3] = (other[:, 3] + 1) % 4
    assert not np.allclose(scorer(inputs), scorer(dataclasses.replace(inputs, side=other)))
