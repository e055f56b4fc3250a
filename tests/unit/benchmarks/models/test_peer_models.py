"""DeepFM and DIN compute what their papers say, however their arithmetic is ordered."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recommender_training.features.prepared_data import PreparedData
from recommender_training.models.embedding_lookup import lookup
from tests.benchmarks.models import fields
from tests.benchmarks.models.deepfm import DeepFM
from tests.benchmarks.models.din import DIN
from tests.benchmarks.models.field_table import lookup_with_sums, narrow_lookup
from tests.benchmarks.models.fields import EVENT_FIELDS, ITEM_FIELDS, FieldInputs

SIZES = (30, 7)


def some_rows(count: int = 6, length: int = 5) -> FieldInputs:
    torch.manual_seed(2)
    columns = [torch.randint(0, size, (count,)) for size in SIZES]
    history = [torch.randint(0, size, (count, length)) for size in SIZES]
    present = torch.arange(length) >= torch.randint(0, length + 1, (count, 1))
    return FieldInputs(
        torch.stack(columns, 1), torch.stack(history, 2), present, torch.ones(count)
    )


def din_by_the_paper(model: DIN, batch: FieldInputs) -> Tensor:
    """As RecBole computes it: all of [q, k, q - k, q * k], then one layer."""
    target = model.table(batch.event).flatten(1)
    keys = model.table(batch.history).flatten(2)
    query = target.unsqueeze(1).expand_as(keys)
    wide = torch.cat([query, keys, query - keys, query * keys], 2)
    weights = model.rest(functional.linear(wide, model.first.weight, model.first.bias)).squeeze(2)
    weights = torch.where(batch.present, weights, 0.0) / keys.shape[2] ** 0.5
    pooled = (weights.unsqueeze(2) * keys).sum(1)
    answer: Tensor = model.head(torch.cat([pooled, target, pooled * target], 1)).squeeze(1)
    return answer


def test_the_factored_attention_is_the_same_function_with_the_same_gradients() -> None:
    torch.manual_seed(1)
    model, batch = DIN(SIZES, 4, (8, 3), 0.0).double(), some_rows()
    answers = [model(batch), din_by_the_paper(model, batch)]
    assert torch.allclose(answers[0], answers[1], atol=1e-12)
    gradients = [
        torch.autograd.grad(answer.square().sum(), list(model.parameters())) for answer in answers
    ]
    for mine, theirs in zip(*gradients, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-10)


def test_din_does_not_see_what_is_not_present() -> None:
    torch.manual_seed(1)
    model, batch = DIN(SIZES, 4, (8, 3), 0.0).eval(), some_rows()
    other = FieldInputs(
        batch.event,
        torch.where(batch.present.unsqueeze(2), batch.history, 0),
        batch.present,
        batch.label,
    )
    assert not torch.equal(batch.history, other.history), "something is to be hidden"
    assert torch.equal(model(batch), model(other))


def test_deepfm_is_the_sum_of_its_three_parts() -> None:
    torch.manual_seed(1)
    model, batch = DeepFM(SIZES, 4, (8, 3), 0.0).double(), some_rows()
    vectors = model.table(batch.event)
    pairs = torch.zeros(len(batch), dtype=torch.float64)
    for one, other in itertools.combinations(range(len(SIZES)), 2):
        pairs = pairs + (vectors[:, one] * vectors[:, other]).sum(1)
    first = model.linear(batch.event).sum((1, 2)) + model.bias
    expected = first + pairs + model.deep(vectors.flatten(1)).squeeze(1)
    assert torch.allclose(model(batch), expected, atol=1e-12)


def test_a_lookup_with_sums_and_its_gradients_are_those_of_the_formulas() -> None:
    torch.manual_seed(1)
    table = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    rows = torch.randint(0, 9, (6, 4))
    vectors, total, squares = lookup_with_sums(table, rows)
    assert torch.equal(vectors, lookup(table, rows))
    assert torch.allclose(total, vectors.sum(1), atol=1e-12)
    assert torch.allclose(squares, table.square().sum(1), atol=1e-12)
    assert torch.autograd.gradcheck(lambda weights: lookup_with_sums(weights, rows), table)


def test_with_sums_the_vectors_are_narrow_and_the_sums_are_not() -> None:
    torch.manual_seed(1)
    table, rows = torch.randn(9, 3, requires_grad=True), torch.randint(0, 9, (6, 4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors, total, squares = lookup_with_sums(table, rows)
    assert torch.equal(vectors, lookup(table, rows).to(torch.bfloat16))
    assert torch.allclose(total, lookup(table, rows).sum(1), atol=1e-6)
    assert {total.dtype, squares.dtype} == {torch.float32}
    parts = [vectors.float().sum(), total.sum(), squares.sum()]
    (gradient,) = torch.autograd.grad(sum(parts, torch.zeros(())), table)
    times = torch.bincount(rows.flatten(), minlength=9)[:, None]
    assert torch.allclose(gradient, 2 * table + 2 * times, atol=1e-5)


def test_a_narrow_lookup_is_rounded_and_its_gradient_summed_in_the_tables_precision() -> None:
    torch.manual_seed(1)
    table = torch.randn(2, 4, requires_grad=True)
    rows = torch.zeros(3000, 1, dtype=torch.int64)
    assert torch.equal(narrow_lookup(table, rows), lookup(table, rows))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = narrow_lookup(table, rows)
    assert torch.equal(found, lookup(table, rows).to(torch.bfloat16))
    (gradient,) = torch.autograd.grad(found.sum(dtype=torch.float32), table)
    # In bfloat16 a sum of ones ends at 256.
    assert gradient.tolist() == [[3000.0] * 4, [0.0] * 4]


def test_a_lookup_and_its_gradient_are_those_of_an_embedding() -> None:
    torch.manual_seed(1)
    table = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    rows, weight = torch.randint(0, 9, (6, 5)), torch.randn(6, 5, 4, dtype=torch.float64)
    mine, theirs = lookup(table, rows), functional.embedding(rows, table)
    assert torch.equal(mine, theirs)
    by_mine, by_theirs = (
        torch.autograd.grad((each * weight).sum(), table)[0] for each in (mine, theirs)
    )
    assert torch.allclose(by_mine, by_theirs, atol=1e-12)


def test_the_fields_are_those_of_the_data(prepared: PreparedData) -> None:
    built = fields.build(prepared.kept, prepared.data)
    data, events = prepared.data, prepared.data.events
    by = dict(zip(EVENT_FIELDS, built.event.unbind(1), strict=True))
    assert by["user"].tolist() == (events.user + 1).tolist()
    assert by["item"].tolist() == (events.item + 1).tolist()
    years = data.items.times[events.item, data.items.time_names.index("release_year")]
    known = ~np.isnan(years)
    assert (by["year"].numpy() > 0).tolist() == known.tolist()
    assert (np.unique(years[known])[by["year"].numpy()[known] - 1] == years[known]).all()
    for name, size in fields.sizes(data).items():
        assert int(by[name].min()) >= 0
        assert int(by[name].max()) < size
    assert torch.equal(built.history[:, :, 0], prepared.kept.session)
    assert built.event.shape[1] == len(EVENT_FIELDS)
    assert built.history.shape[2] == len(ITEM_FIELDS)
    assert not built.present[built.history[:, :, 0] == 0].any()
