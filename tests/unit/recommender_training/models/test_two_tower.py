"""The losses of the two towers follow their definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import two_tower
from recommender_training.models.tower_examples import tower_examples
from recommender_training.models.two_tower import sampled_softmax
from recommender_training.trainer import fit


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.integers(0, 2**16))
def test_the_sampled_softmax_takes_log_q_off_and_leaves_accidental_hits_out(
    liked: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(liked), len(liked)))
    log_q = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
    found = sampled_softmax(*map(torch.from_numpy, (logits, log_q, np.array(liked))))
    for row, item in enumerate(liked):
        own, drawn = logits[row, row], len(liked) - 1
        others = [
            logits[row, j] - log_q[liked[j]] - np.log(drawn)
            for j in range(len(liked))
            if liked[j] != item
        ]
        assert float(found[row]) == pytest.approx(np.logaddexp.reduce([own, *others]) - own)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**16))
def test_the_loss_over_blocks_of_items_is_that_over_all_at_once(
    rows: int, items: int, block: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    requests, vectors = (3 * torch.randn(size, 4, generator=generator) for size in (rows, items))
    bias = 20 * torch.randn(items, generator=generator)
    liked = torch.randint(items, (rows,), generator=generator)
    whole = torch.nn.functional.cross_entropy(
        requests @ vectors.t() + bias, liked, reduction="none"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_tower, "_EVALUATION_ITEMS", block)
        found = two_tower.catalogue_loss(requests, vectors, bias, liked)
    torch.testing.assert_close(found, whole, atol=1e-4, rtol=1e-5)


def test_an_evaluation_holds_logits_of_some_items_at_a_time(
    fitted_towers: RetrievalModels, prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    towers = fitted_towers.towers
    assert towers is not None
    held = tower_examples(prepared.inputs, prepared.data.events, prepared.split.validation)
    rows = torch.arange(len(held))
    whole = fit.predict(towers, held, rows)
    widths: list[int] = []

    def watched(logits: Tensor, dim: int, of: Callable[..., Tensor] = torch.logsumexp) -> Tensor:
        widths.append(logits.shape[1])
        return of(logits, dim)

    monkeypatch.setattr(two_tower, "_EVALUATION_ITEMS", 7)
    monkeypatch.setattr(torch, "logsumexp", watched)
    found = fit.predict(towers, held, rows)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)
    assert max(widths) == 7
    assert sum(widths) == prepared.data.items.count


def test_with_log_q_the_logits_learn_the_shares_that_batches_are_drawn_by() -> None:
    """Without the correction popular items, which are negatives more often, would be pushed down;
    with one for the liked item, too, they would be pushed up.
    """
    share = torch.tensor([0.6, 0.25, 0.1, 0.05])
    generator = torch.Generator().manual_seed(0)
    bias = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.Adam([bias], lr=0.05)
    for _ in range(120):
        liked = torch.multinomial(share, 128, replacement=True, generator=generator)
        loss = sampled_softmax(bias[liked].expand(128, -1), share.log(), liked).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    learned = torch.softmax(bias.detach(), 0)
    torch.testing.assert_close(learned, share, atol=0.02, rtol=0)
