"""The order of the end-to-end tests: worlds stay whole, long ones begin first, one comes last."""

from __future__ import annotations

import itertools
import pathlib
import random
import types
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.e2e import worlds

STORY = "tests/e2e/test_stories.py::test_given_a_champion_when_a_better_version_comes_then_x"
LONG = f"tests/e2e/test_stories.py::{worlds.LONGEST[-1]}"
RIGHTS = "tests/e2e/test_rights.py::test_every_verb_is_used"
TESTS = [
    f"{STORY}[Gateway]",
    f"{STORY}[Knative]",
    "tests/e2e/test_protocols.py::test_http[Gateway-over_v1]",
    "tests/e2e/test_protocols.py::test_http[Knative-over_v1]",
    f"tests/e2e/test_stories.py::test_users_change[{worlds.own('Gateway')}]",
    f"tests/e2e/test_stories.py::test_users_change[{worlds.own('Knative')}]",
    "tests/e2e/test_data.py::test_texts",
    LONG,
    RIGHTS,
]


def ordered(nodeids: Sequence[str]) -> list[str]:
    return [nodeids[at] for at in worlds.in_order(list(nodeids))]


@given(st.permutations(TESTS))
def test_in_any_random_order_worlds_stay_whole_long_ones_begin_and_one_is_last(
    nodeids: list[str],
) -> None:
    found = ordered(nodeids)
    assert sorted(found) == sorted(nodeids)
    begun = [worlds.world_of(nodeid) for nodeid in found]
    assert len({*begun}) == 1 + sum(a != b for a, b in itertools.pairwise(begun))
    assert begun[:5] == ["Gateway", "Gateway", "Knative", "Knative", LONG]
    assert found[-1] == RIGHTS


def test_the_longest_tests_are_tests_that_there_are() -> None:
    folder = pathlib.Path(worlds.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("test_*.py"))
    assert all((folder / name).exists() for name in worlds.COLLECTING)
    for name in {*worlds.LONGEST} - {*worlds.MODES, worlds.LIVE}:
        assert f"def {name}(" in text


class Process:
    """A process of xdist that runs a test once it knows the next one, or that there is none."""

    def __init__(self, name: str) -> None:
        self.gateway = types.SimpleNamespace(id=name)
        self.shutting_down = False
        self.given: list[int] = []
        self.done = 0

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def runs(self) -> bool:
        return len(self.given) - self.done > (0 if self.shutting_down else 1)


def run_all(nodeids: list[str], processes: list[Process]) -> None:
    """Let processes run tests, in any order among processes, until none can go on."""
    config = types.SimpleNamespace(
        option=types.SimpleNamespace(loadscopereorder=False),
        getvalue=lambda name: ["popen"] * len(processes),
    )
    scheduler = worlds.ByWorld(config)
    for process in processes:
        scheduler.add_node(process)
        scheduler.add_node_collection(process, nodeids)
    scheduler.schedule()
    while able := [process for process in processes if process.runs]:
        process = random.choice(able)
        at = process.given[process.done]
        process.done += 1
        scheduler.mark_test_complete(process, at)
        if not process.shutting_down:
            rest = {worlds.world_of(nodeids[one]) for one in process.given[process.done :]}
            assert len(rest) <= 2, "it holds worlds that others could begin"


@given(st.permutations(TESTS), st.integers(1, 4))
def test_every_test_runs_once_and_a_shared_world_in_one_process(
    nodeids: list[str], count: int
) -> None:
    tests = ordered(nodeids)
    processes = [Process(f"gw{number}") for number in range(count)]
    run_all(tests, processes)
    ran = [tests[at] for process in processes for at in process.given[: process.done]]
    assert sorted(ran) == sorted(tests)
    for mode in worlds.MODES:
        homes = {
            process.gateway.id
            for process in processes
            for at in process.given
            if worlds.world_of(tests[at]) == mode
        }
        assert len(homes) == 1
