"""An IVF index: each item is in one cell, all cells are exact, and few of them find most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from recommender_training.common.arrays import Floats
from recommender_training.models import ivf_index
from recommender_training.models.ivf_index import CELL_SIZE, IvfIndex

WIDTH = 4


def shop(seed: int, items: int, requests: int = 30) -> tuple[Floats, Floats, Floats]:
    """Vectors around a few centres, of different lengths, a standing, and requests."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(20, WIDTH)) * random.lognormal(size=(20, 1))
    vectors = centres[random.integers(0, 20, items)] + random.normal(0, 0.1, (items, WIDTH))
    standing = random.normal(size=items)
    asked = random.normal(size=(requests, WIDTH))
    return vectors.astype("f4"), standing.astype("f4"), asked.astype("f4")


def best(vectors: Floats, standing: Floats, asked: Floats, count: int) -> list[set[int]]:
    order = np.argsort(-(asked @ vectors.T + standing), axis=1)[:, :count]
    return [set(row.tolist()) for row in order]


@given(
    st.integers(0, 1_000),
    st.sampled_from([1, 2, CELL_SIZE, CELL_SIZE + 1, 3 * CELL_SIZE - 1, 3_000]),
)
def test_each_item_is_on_one_cell_and_all_but_few_cells_are_full(seed: int, items: int) -> None:
    ivf = ivf_index.build_index(*shop(seed, items), seed)
    held = ivf.items[ivf.items >= 0]
    assert sorted(held.tolist()) == list(range(items))
    assert ((ivf.items >= 0).sum(1) > 0).all()
    groups = max(1, items // ivf_index._GROUP)
    assert ivf.cells <= items // CELL_SIZE + groups
    assert (ivf.cell_of(items)[held] == np.nonzero(ivf.items >= 0)[0]).all()


@given(st.integers(0, 1_000), st.integers(1, 400))
def test_reading_all_cells_finds_every_best_item(seed: int, items: int) -> None:
    vectors, standing, asked = shop(seed, items)
    ivf = ivf_index.build_index(vectors, standing, asked, seed)
    found = ivf_index.cell_ranks(ivf, vectors, standing, asked, min(items, 5))
    assert ivf_index.recall_of(found, ivf.cells) == 1.0
    means, level = ivf.means(vectors, standing)
    assert ivf_index.probed(asked @ means.T + level, ivf.cells).all()


@given(st.integers(0, 1_000), st.floats(0.1, 1.0))
def test_the_cells_for_a_recall_find_it_and_one_cell_less_does_not(
    seed: int, recall: float
) -> None:
    found = np.random.default_rng(seed).integers(0, 50, (7, 11))
    read = ivf_index.probes_for(found, recall)
    assert ivf_index.recall_of(found, read) >= recall - 1e-9
    assert ivf_index.recall_of(found, read - 1) < recall


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_counted_as_found_stands_on_the_cells_that_are_read(seed: int) -> None:
    vectors, standing, asked = shop(seed, 4_000)
    ivf = ivf_index.build_index(vectors, standing, asked, seed)
    found = ivf_index.cell_ranks(ivf, vectors, standing, asked, 50)
    read = ivf_index.probes_for(found, 0.9)
    means, level = ivf.means(vectors, standing)
    reached = ivf_index.probed(asked @ means.T + level, read)
    cell_of = ivf.cell_of(len(vectors))
    hits = [
        np.mean([reached[row, cell_of[item]] for item in items])
        for row, items in enumerate(best(vectors, standing, asked, 50))
    ]
    assert float(np.mean(hits)) == pytest.approx(ivf_index.recall_of(found, read), abs=1e-3)
    assert read < ivf.cells / 3, "items that are near one another share cells"


def test_equal_items_and_the_same_seed_make_the_same_cells() -> None:
    vectors, standing, asked = shop(3, 2_500)
    vectors[:], standing[:] = vectors[0], 0.0
    one, other = (ivf_index.build_index(vectors, standing, asked, 5) for _ in range(2))
    assert sorted(one.items[one.items >= 0].tolist()) == list(range(2_500))
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.reach, other.reach)


def test_groups_are_made_by_one_thread_as_more_add_up_in_any_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    class Watched(KMeans):  # type: ignore[misc]
        def fit(self, *arguments: Any) -> Any:
            found = [each for each in threadpool_info() if each["user_api"] == "openmp"]
            seen.extend(each["num_threads"] for each in found)
            return super().fit(*arguments)

    monkeypatch.setattr(ivf_index, "KMeans", Watched)
    with threadpool_limits(3, user_api="openmp"):
        ivf_index.build_index(*shop(1, 3_000), 5)
    assert {*seen} == {1}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 12))
def test_of_equal_cells_the_first_are_read_and_never_more_than_are_to_be(
    levels: list[int], read: int
) -> None:
    level = np.array([levels], dtype=np.float32)
    first = np.argsort(-level[0], kind="stable")[:read]
    assert np.flatnonzero(ivf_index.probed(level, read)[0]).tolist() == sorted(first.tolist())


def test_a_cell_that_lacks_the_last_place_by_less_than_the_slack_is_read_with_it() -> None:
    level = np.array([[3.0, 2.0, 1.999, 0.0]], dtype=np.float32)
    assert ivf_index.probed(level, 2).tolist() == [[True, True, False, False]]
    assert ivf_index.probed(level, 2, 0.01).tolist() == [[True, True, True, False]]
    assert ivf_index.probed(level, 2, -0.01).tolist() == [[True, False, False, False]]


def test_a_long_vector_is_not_shortened() -> None:
    """A popular or long item is the best of requests to which its direction alone is not."""
    vectors = np.array([[1.0, 0.0], [0.9, 9.0]], dtype=np.float32)
    ivf = IvfIndex(np.array([[0, -1], [1, -1]], dtype=np.int32), np.zeros(2, np.float32), 1)
    means, level = ivf.means(vectors, np.zeros(2, dtype=np.float32))
    np.testing.assert_array_equal(means, vectors)
    asked = np.array([[1.0, 1.0]], dtype=np.float32)
    assert ivf_index.probed(asked @ means.T + level, 1).tolist() == [[False, True]]
