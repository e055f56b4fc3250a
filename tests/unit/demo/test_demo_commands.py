"""The demo's commands where there is no demo: nothing is started to take it away."""

from __future__ import annotations

import pytest

from tests.cluster import api, backends
from tests.cluster.groups import Extras
from tests.demo import __main__ as demo


class Down(backends.Existing):
    """A cluster that does not run, and must not be started."""

    def up(self, extras: Extras) -> None:
        raise AssertionError("it was started")

    def status(self) -> tuple[str, bool]:
        return "NOT UP", False


def select(backend: backends.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "selected", lambda: backend)


def test_down_without_a_cluster_has_nothing_to_remove(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    select(Down(), monkeypatch)
    assert demo.main(["down"]) == 0
    assert "no demo to remove" in capsys.readouterr().out


class Recorded:
    """A cluster with a demo, which remembers what is done to it."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def kubectl(self, *words: str) -> str:
        self.calls.append(" ".join(words))
        return next((said for part, said in self.answers.items() if part in self.calls[-1]), "")

    def helm(self, *words: str) -> str:
        return self.kubectl(*words)


def test_down_leaves_nothing_of_the_loop_but_claims_that_others_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {
        "get crd": "crd/models",
        "get recommendermodel": "recommendermodel/loop-1\nrecommendermodel/shop",
        "get pod": "pod/data-loader",
    }
    cluster = Recorded(answers)
    monkeypatch.setattr(api, "find_up", lambda: cluster)
    assert demo.main(["down"]) == 0
    done = "\n".join(cluster.calls)
    for gone in (
        "delete recommendermodel/loop-1", "delete httproute events", "rm -rf /data/events/loop-*",
        "delete pod data-loader", "delete pvc data-recommender-operator-store-0",
    ):  # fmt: skip
        assert gone in done
    assert "recommendermodel/shop" not in done
    assert done.index("rm -rf") < done.index("delete pod"), "the pod removes the files"
    assert done.index("uninstall") < done.index("delete pvc"), "a pod uses the claim until then"
    assert not any("pvc" in call and "store-0" not in call for call in cluster.calls)
