"""A fit that was ended goes on where it was, and only from a checkpoint of its own."""

from __future__ import annotations

import errno
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_contract.resource.training_settings import Algorithm, WarmMode
from recommender_training.artifact.checkpoint import Checkpoint, Words
from recommender_training.cli import main
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.distributed.group import ONE_PROCESS
from recommender_training.features import attributes
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models.ranker import Ranker, RankerSize, create_ranker
from recommender_training.trainer import checkpoints, fit, fit_context
from recommender_training.trainer.checkpoints import Checkpoints, Slot
from recommender_training.trainer.initial_weights import WarmStart

SETTINGS = Hyperparameters(epochs=3, patience=3, embedding_dim=8, batch_size=256)
FACTS = {"config": {"seed": 1}, "dataVersion": "i1"}


class KilledError(Exception):
    """Stands in for a kill: nothing after it is done."""


def fresh(prepared: PreparedData) -> Ranker:
    fit.seed_everything(1, 1)
    data = prepared.data
    size = RankerSize(data.users.count, attributes.sizes(data), 8, 0.1, 0.5)
    rows = torch.from_numpy(prepared.split.train)
    return create_ranker(prepared.data, prepared.inputs, rows, size=size)


def first(prepared: PreparedData, slot: Slot | None, dies: int = 0) -> tuple[Ranker, fit.FitLog]:
    """Fit with early stopping; with `dies`, it is killed after that look."""
    model = fresh(prepared)
    train, held = (torch.from_numpy(r) for r in (prepared.split.train, prepared.split.validation))
    looks = 0

    def watch(_log: fit.FitLog) -> None:
        nonlocal looks
        looks += 1
        if looks == dies:
            raise KilledError

    label = prepared.kept.label
    examples = fit.Examples(prepared.inputs, train, held, label)
    log = fit.fit(model, examples, SETTINGS, fit.FitOptions(slot=slot), watch=watch)
    return model, log


def final(prepared: PreparedData, slot: Slot | None) -> Ranker:
    model = fresh(prepared)
    rows = torch.from_numpy(prepared.split.train)
    examples = fit.Examples.whole(prepared.inputs, rows, prepared.kept.label)
    fit.fit_for(model, examples, SETTINGS, 2.3, fit.FitOptions(slot=slot))
    return model


def same(one: Ranker, other: Ranker) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(mine, theirs) for mine, theirs in pairs)


@pytest.fixture(scope="module")
def whole(prepared: PreparedData) -> tuple[Ranker, fit.FitLog]:
    return first(prepared, None)


@pytest.mark.parametrize("dies", [1, 2, 5])
def test_killed_after_any_look_the_weights_and_the_log_are_those_of_a_fit_never_killed(
    prepared: PreparedData, whole: tuple[Ranker, fit.FitLog], dies: int, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    slot = Checkpoints(tmp_path, FACTS).slot("first")
    with pytest.raises(KilledError):
        first(prepared, slot, dies)
    again, log = first(prepared, Checkpoints(tmp_path, FACTS).slot("first"))
    assert same(again, whole[0])
    assert (log.looks, log.best_epoch) == (whole[1].looks, whole[1].best_epoch)
    assert f"resuming from epoch {dies / 2:.2f} of a checkpoint" in capsys.readouterr().err


def test_a_fit_that_had_ended_takes_no_step_again(
    prepared: PreparedData, whole: tuple[Ranker, fit.FitLog], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    slot = Checkpoints(tmp_path, FACTS).slot("first")
    first(prepared, slot)
    steps: list[int] = []

    def counted(self: fit.Trainer, step: Callable[..., None] = fit.Trainer.step) -> None:
        steps.append(1)
        step(self)

    monkeypatch.setattr(fit.Trainer, "step", counted)
    again, log = first(prepared, slot)
    assert same(again, whole[0])
    # The last look is that of the last whole half of an epoch.
    assert len(steps) == 30 - int(log.looks[-1][0] * 10)


def test_the_final_fit_goes_on_too(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = Checkpoints(tmp_path, FACTS).slot("final")
    saves = 0

    def dying(self: Slot, state: dict[str, Any], save: Callable[..., None] = Slot.save) -> None:
        nonlocal saves
        save(self, state)
        saves += 1
        if saves == 3:
            raise KilledError

    monkeypatch.setattr(Slot, "save", dying)
    with pytest.raises(KilledError):
        final(prepared, slot)
    monkeypatch.undo()
    state = slot.load()
    assert state is not None
    assert state["batches"]["taken"] == 15, "in mid-epoch"
    assert same(final(prepared, slot), final(prepared, None))


def test_a_checkpoint_of_another_training_is_told_and_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = Checkpoints(tmp_path, FACTS)
    mine.slot("first").save({"number": 1})
    assert mine.slot("first").load() == {"number": 1}
    other = Checkpoints(tmp_path, FACTS | {"dataVersion": "i2"})
    assert "1 in" in capsys.readouterr().err
    slot = other.slot("first")
    assert slot.load() is None
    mine.slot("first").path.rename(slot.path)  # somebody meant well
    assert slot.load() is None
    assert "has another dataVersion and is ignored" in capsys.readouterr().err


def test_in_a_folder_of_its_own_what_a_training_does_not_go_on_from_is_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Checkpoints(tmp_path, FACTS | {"codeVersion": "1"}, own=True)
    for fit_name in ("first", "towers"):
        before.slot(fit_name).save({"number": 1})
    (tmp_path / "0123456789abcdef-final.partial").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("of a person")
    again = Checkpoints(tmp_path, FACTS | {"codeVersion": "1"}, own=True)
    assert again.slot("first").load() == {"number": 1}, "the same command goes on"
    assert "removed" not in capsys.readouterr().err
    Checkpoints(tmp_path, FACTS | {"codeVersion": "2"}, own=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert "2 in" in (said := capsys.readouterr().err)
    assert "are removed" in said


def test_in_a_shared_folder_those_of_others_stay(tmp_path: Path) -> None:
    mine = Checkpoints(tmp_path, FACTS)
    mine.slot("first").save({"number": 1})
    Checkpoints(tmp_path, FACTS | {"dataVersion": "i2"})
    assert mine.slot("first").load() == {"number": 1}


@pytest.mark.parametrize("own", [True, False])
def test_a_folder_that_is_named_belongs_to_the_training(
    trained: Any, tmp_path: Path, own: bool
) -> None:
    folder = tmp_path / ".checkpoints"
    other = Checkpoints(folder, FACTS).slot("first")
    other.save({"number": 1})
    config = trained.config.model_copy(update={"algorithm": Algorithm.LOGISTIC_REGRESSION})
    told = config.model_dump_json(by_alias=True, exclude={"search", "fault_injection"})
    arguments = ["train", "--lake", str(trained.lake), "--data-version", trained.data_version,
                 "--output", str(tmp_path / "v-1"), "--config", told]  # fmt: skip
    assert main.main([*arguments, *(["--checkpoints", str(folder)] if own else [])]) == 0
    assert other.path.exists() is not own


def test_a_damaged_checkpoint_and_one_that_holds_a_program_are_told_and_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slot = Checkpoints(tmp_path, FACTS).slot("first")
    slot.save({"number": torch.ones(3)})
    whole = slot.path.read_bytes()
    hostile = pickle.dumps({"facts": FACTS, "state": Call(tmp_path / "proof")}, protocol=2)
    for content in (whole[: len(whole) // 2], b"", hostile):
        slot.path.write_bytes(content)
        assert slot.load() is None
        assert "is damaged and ignored" in capsys.readouterr().err
    torch.save({"facts": FACTS, "state": {"x": Call(tmp_path / "proof")}}, slot.path)
    assert slot.load() is None
    assert not (tmp_path / "proof").exists()


class Call:
    """Unpickled by a loader that trusts, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_full_disk_ends_no_fit_and_is_said_once_for_each_kind(
    prepared: PreparedData, whole: tuple[Ranker, fit.FitLog], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    kinds = [errno.ENOSPC, errno.ENOSPC, errno.EROFS, errno.ENOSPC, errno.EROFS, errno.ENOSPC]

    def full(path: Path, _data: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
        number = kinds.pop(0)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoints, "write_bytes", full)
    folder = tmp_path / "full"
    model, _ = first(prepared, Checkpoints(folder, FACTS).slot("first"))
    assert same(model, whole[0])
    assert not kinds, "each look tried"
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 2
    assert "ENOSPC: No space left on device" in said
    assert not list(folder.iterdir()), "no half of one is left"


def test_a_training_leaves_no_checkpoint_and_one_that_cannot_go_on_neither(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".checkpoints"
    states: list[str] = []
    real = Slot.save

    def seen(self: Slot, state: dict[str, Any]) -> None:
        real(self, state)
        states.append(self.path.name.partition("-")[2])

    monkeypatch.setattr(Slot, "save", seen)
    config = trained.config.model_dump_json(by_alias=True, exclude={"search", "fault_injection"})
    report = tmp_path / "report.json"
    train = ["train", "--lake", str(trained.lake), "--data-version", trained.data_version,
             "--output", str(tmp_path / "v-1"), "--report", str(report)]  # fmt: skip
    assert main.main([*train, "--config", config]) == 0
    assert json.loads(report.read_text())["digest"] == trained.digest, "they change no byte"
    fits = ("first", "final", "towers", "towers-final")
    assert set(states) == {f"{fit}.checkpoint" for fit in fits}
    assert not folder.exists()

    def diverging(*_: object, **__: object) -> torch.Tensor:
        return torch.tensor(float("nan"), requires_grad=True)

    def later(self: fit.Trainer, step: Callable[..., None] = fit.Trainer.step) -> None:
        if self.batches.taken == 7:
            monkeypatch.setattr("torch.nn.functional.binary_cross_entropy_with_logits", diverging)
        step(self)

    monkeypatch.setattr(fit.Trainer, "step", later)
    assert main.main([*train, "--config", config]) == 2
    said = json.loads(report.read_text())
    assert said["reason"] == "TrainingDiverged"
    assert "is nan, not finite, in epoch 1, batch 8 of 10" in said["message"]
    assert "lower training.hyperparameters.learningRate (0.003)" in said["message"]
    assert not folder.exists()


def test_all_that_the_weights_depend_on_is_told_apart_but_the_number_of_processes(
    tmp_path: Path,
) -> None:
    def name(
        config: TrainingConfig,
        version: str = "i1",
        threads: int = 1,
        start: WarmStart | None = None,
    ) -> str:
        identity = fit_context.Identity(config, version, None, threads)
        kept = fit_context.with_checkpoints(tmp_path, ONE_PROCESS, identity, start)
        slot = kept.slot("first")
        assert slot is not None
        return slot.path.name

    plain = TrainingConfig()
    names = {
        name(plain),
        name(plain, "i2"),
        name(plain, threads=2),
        name(TrainingConfig(seed=2)),
        name(TrainingConfig(hyperparameters=SETTINGS)),
        name(TrainingConfig(hyperparameters=Hyperparameters(retrieval=Retrieval.WEIGHTS))),
        *(name(plain, start=from_champion(digest)) for digest in ("sha256:1", "sha256:2")),
    }
    assert len(names) == 8


def from_champion(digest: str) -> WarmStart:
    none = np.zeros(0, dtype=np.int64)
    kept = Checkpoint({}, none, none, Words((), (), ()), 0)
    return WarmStart(kept, WarmMode.ALL_WEIGHTS, digest)


def test_what_a_real_training_is_told_apart_by_can_be_loaded_as_data(tmp_path: Path) -> None:
    """Not everything that looks like a text is one: torch.__version__ is of a class of its own."""
    kept = fit_context.with_checkpoints(
        tmp_path, ONE_PROCESS, fit_context.Identity(TrainingConfig(), "i1", 7, 1)
    )
    slot = kept.slot("first")
    assert slot is not None
    slot.save({"taken": 3})
    assert slot.load() == {"taken": 3}
