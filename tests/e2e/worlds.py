"""Which end-to-end tests share a world, and the order of the worlds.

A world is a namespace with a model. Two are shared, one per traffic mode; every other test creates
its own. Worlds are independent and mostly wait, so several run concurrently.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

MODES = ("Gateway", "Knative")
#: Files whose tests share the release's own namespace, and the collector in it.
LIVE = "test_live.py"
COLLECTING = (LIVE, "test_outcomes.py")
#: The longest tests, longest first, so that they do not end last.
LONGEST = (
    *MODES,
    LIVE,
    "test_given_a_champion_when_users_change_then_drift_is_reported_and_a_retraining_promoted",
    "test_given_two_pods_and_a_standby_when_parts_fail_then_every_request_is_answered",
    "test_given_autoscaling_when_requests_or_the_minimum_rise_then_pods_are_added_and_none_is_lost",
    "test_given_a_canary_when_it_is_evicted_it_continues_and_when_it_refuses_it_is_rolled_back",
    "test_given_text_ids_and_later_data_when_the_earlier_data_is_pinned_then_it_is_trained_on",
    "test_given_a_shop_when_one_of_its_features_breaks_and_another_drifts_then_each_is_named",
    "test_given_a_canary_when_the_model_is_deleted_then_nothing_remains",
    "test_given_an_installed_chart_when_the_tutorial_is_followed_then_each_command_succeeds",
    "test_given_two_workers_when_one_is_killed_during_training_then_the_version_receives_traffic",
)
#: Reads the audit log of all others.
LAST = "test_rights"


def own(mode: str) -> str:
    """Return the id of a test with this mode in a separate world."""
    return f"own{mode}"


def world_of(nodeid: str) -> str:
    """Return the mode of a shared world, or the id of a test with a separate world."""
    if nodeid.partition("::")[0].endswith(COLLECTING):
        return LIVE
    parameters = nodeid.partition("[")[2].rstrip("]").split("-")
    return next((mode for mode in MODES if mode in parameters), nodeid)


def rank(nodeid: str) -> int:
    """Return the rank of a test's world in the order of worlds."""
    path, _, test = nodeid.partition("::")
    if LAST in path:
        return len(LONGEST) + 1
    world = world_of(nodeid)
    name = world if world in (*MODES, LIVE) else test.partition("[")[0]
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def in_order(nodeids: list[str]) -> list[int]:
    """Return the indices of tests in the order to run them: by world, longest first.

    Within a world, and among worlds of the same rank, the given random order stays.
    """
    worlds = [world_of(nodeid) for nodeid in nodeids]
    return sorted(
        range(len(nodeids)), key=lambda at: (rank(nodeids[at]), worlds.index(worlds[at]), at)
    )


def ends_of_worlds(nodeids: list[str]) -> set[str]:
    """Return the last test of each shared world, given the tests in order."""
    last = {world_of(nodeid): nodeid for nodeid in nodeids}
    return {last[mode] for mode in MODES if mode in last}


class ByWorld(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps the tests of a shared world in one process, and assigns worlds in order."""

    def _split_scope(self, nodeid: str) -> str:
        return world_of(nodeid)

    def _reschedule(self, node: Any) -> None:
        """Assign the next world to a process when it runs the last test of its current one.

        Xdist itself assigns worlds earlier, which may then wait for minutes.
        """
        if self.workqueue and self._pending_of(self.assigned_work[node]) > 1:
            return
        super()._reschedule(node)
