"""The preflight names everything that is missing at once, with its remedy."""

import dataclasses

import pytest

from tests.cluster import preflight

GOOD = preflight.Machine(
    system="Linux",
    architecture="x86_64",
    root=True,
    apt=True,
    go="go1.26.8",
    npm=True,
    npm_needed=True,
    free_gib=50.0,
    cold=True,
)


def test_a_good_machine_has_no_problem() -> None:
    assert preflight.missing(GOOD, with_node=True) == []


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"system": "Darwin"}, "CLUSTER=kind"),
        ({"architecture": "aarch64"}, "CLUSTER=kind"),
        ({"root": False}, "sudo"),
        ({"apt": False}, "Debian"),
        ({"go": ""}, "https://go.dev/dl/"),
        ({"go": "go1.25.9"}, "https://go.dev/dl/"),
        ({"npm": False}, "apt-get install npm"),
        ({"free_gib": 5.0}, "RECOMMENDER_CACHE"),
    ],
)
def test_each_problem_names_its_remedy(change: dict[str, object], remedy: str) -> None:
    machine = dataclasses.replace(GOOD, **change)  # type: ignore[arg-type]
    (problem,) = preflight.missing(machine, with_node=True)
    assert remedy in problem


def test_a_warm_cache_needs_neither_go_nor_npm() -> None:
    machine = dataclasses.replace(
        GOOD, go="", npm=False, npm_needed=False, free_gib=4.0, cold=False
    )
    assert preflight.missing(machine, with_node=True) == []


def test_the_api_server_alone_needs_no_root() -> None:
    machine = dataclasses.replace(GOOD, root=False, apt=False)
    assert preflight.missing(machine, with_node=False) == []
