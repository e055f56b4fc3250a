"""Exported graphs list items again as eager mode does, in every form of a catalogue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from recommender_training.common.arrays import Ints
from recommender_training.evaluation import predictions
from recommender_training.evaluation.ranking_metrics import Request
from recommender_training.export import parity, repository, torchscript
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import ivf_index
from tests.training_fixtures import Trained
from tests.unit.recommender_training.export.catalogue_forms import FORMS, known_in, loaded

#: So many items are left, so that users have most of theirs several times.
KEPT = 15


@pytest.fixture(scope="module")
def repeated(prepared: PreparedData) -> PreparedData:
    """The data with items that users have again and again."""
    events = prepared.data.events
    other = replace(events, item=(events.item % KEPT).astype(events.item.dtype))
    return replace(prepared, data=replace(prepared.data, events=other))


@pytest.mark.parametrize("name", ["recommender", "baseline"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("after", [0, 600])
def test_a_graph_lists_items_again_as_eager_mode_does(
    monkeypatch: pytest.MonkeyPatch,
    repeated: PreparedData,
    bundle: Bundle,
    trained: Trained,
    name: str,
    form: str,
    after: int,
) -> None:
    monkeypatch.setattr(ivf_index, "CELL_SIZE", 4)
    known = known_in(form, repeated, bundle, trained, after)
    module = loaded(name, bundle, known)
    scorer = predictions.scorers(bundle, repeated)[name == "recommender"]
    requests = repository.parity_requests(repeated, after)[:10]
    found = parity.check_parity(module, scorer, known, requests)
    assert found["maxDifference"] < 1e-5
    assert found["maxDisorder"] < parity.RANK_TOLERANCE
    wrong = known.ordered_by(replace(known.sources, repeat_after=None))
    with pytest.raises(parity.ParityError):
        parity.check_parity(module, scorer, wrong, requests)


@pytest.mark.parametrize("form", FORMS)
def test_an_item_comes_again_when_its_newest_event_is_old_enough(
    monkeypatch: pytest.MonkeyPatch,
    repeated: PreparedData,
    bundle: Bundle,
    trained: Trained,
    form: str,
) -> None:
    monkeypatch.setattr(ivf_index, "CELL_SIZE", 4)
    data, after = repeated.data, 600
    module = loaded("recommender", bundle, known_in(form, repeated, bundle, trained, after))
    came = False
    requests = repository.parity_requests(repeated, after)
    for request in [each for each in requests if len(each.session)][:10]:
        for wait in (0, after):
            items, times = data.events.item[request.session], data.events.time[request.session]
            now = int(times[-1]) + wait
            listed = asked(module, repeated, replace(request, time=now))
            young = data.items.ids[items[times > now - after]]
            assert not np.isin(listed, young).any()
            came |= bool(np.isin(listed, data.items.ids[items]).any())
    assert came


def asked(module: torch.jit.ScriptModule, prepared: PreparedData, request: Request) -> Ints:
    """The ten best items of a request."""
    data, rows = prepared.data, request.session

    def row(values: object) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values)[None, :])

    with torchscript.as_served():
        ids, _ = module(
            torch.tensor([[int(data.users.ids[request.user])]]),
            torch.full((1, 3), torch.nan),
            row(data.items.ids[data.events.item[rows]]),
            row(data.events.time[rows]),
            row(data.events.value[rows]),
            torch.tensor([[request.time]]),
            torch.tensor([[10]]),
        )
    found: Ints = ids[0].numpy()
    return found
