"""The optimizer of a fit makes the steps of `torch.optim.AdamW`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recommender_training.trainer.adamw import AdamW

RATE, DECAY = 0.01, 0.1


def weights() -> list[nn.Parameter]:
    """Two that are learned, one that is frozen, one that no output depends on."""
    torch.manual_seed(1)
    found = [nn.Parameter(torch.randn(shape)) for shape in ((4, 3), (5,), (2, 2), (2,))]
    found[2].requires_grad_(False)
    return found


def step(optimizer: AdamW | torch.optim.AdamW, of: list[nn.Parameter], number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    for weight in of[:2]:
        weight.grad = torch.randn(weight.shape, generator=generator)
    optimizer.step()


def equal(some: list[nn.Parameter], others: list[nn.Parameter]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


def test_each_step_is_that_of_pytorch_to_the_bit() -> None:
    mine, theirs = weights(), weights()
    own = AdamW(mine, RATE, DECAY)
    reference = torch.optim.AdamW(theirs, lr=RATE, weight_decay=DECAY, fused=True)
    for number in range(20):
        step(own, mine, number)
        step(reference, theirs, number)
        assert equal(mine, theirs), number
    assert not equal(mine, weights())


def test_a_restored_optimizer_goes_on_as_one_never_kept() -> None:
    one, other = weights(), weights()
    kept, restored = AdamW(one, RATE, DECAY), AdamW(other, RATE, DECAY)
    for number in range(3):
        step(kept, one, number)
    with torch.no_grad():
        for mine, theirs in zip(other, one, strict=True):
            mine.copy_(theirs)
    state: dict[str, list[Tensor]] = {
        name: [each.clone() for each in values] for name, values in kept.state().items()
    }
    restored.restore(state)
    step(kept, one, 7)
    step(restored, other, 7)
    assert equal(one, other)
    assert not torch.equal(state["first"][0], restored.state()["first"][0]), "a copy is kept"


def test_dropped_gradients_move_nothing() -> None:
    found = weights()
    optimizer = AdamW(found, RATE, DECAY)
    step(optimizer, found, 1)
    before = [nn.Parameter(weight.detach().clone()) for weight in found]
    optimizer.drop_gradients()
    optimizer.step()
    assert equal(found, before)
