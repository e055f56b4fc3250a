"""The processes of a search. One worker runs in this process, several in their own.

A worker that dies loses only its trial, which another one repeats.
"""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from recommender_training.common.progress import say
from recommender_training.config.search_space import Params
from recommender_training.search.study import Objective, Outcome, Plan, Report, Study

#: Creates the objective inside a worker process; must be picklable.
Factory = Callable[[], Objective]


def search_in_workers(path: Path, plan: Plan, factory: Factory) -> tuple[Outcome, ...]:
    """Search until the budget is used up; resume an interrupted run.

    A second search with the same journal waits for the first. Raises RuntimeError if a worker dies
    outside a trial.
    """
    with only_search(path):
        _repair(path)
        study = Study(path, plan)
        study.release()
        done = len(study.outcomes())
        if done > 0:
            say(f"search: resuming after {done} of {study.budget} trials")
        if plan.settings.parallelism == 1:
            _work(study, factory(), "0")
        else:
            _supervise(path, plan, factory, study)
        return study.outcomes()


@contextlib.contextmanager
def only_search(path: Path) -> Iterator[None]:
    """Wait for other searches with this journal; the kernel frees the lock of a dead one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".search").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"search: waiting for another at {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _repair(path: Path) -> None:
    """Remove what a kill or a full disk has left: Optuna's lock, and an unfinished last line.

    Optuna would wait for that lock for 30 s, and write its next line behind the unfinished one.
    """
    Path(f"{path}.lock").unlink(missing_ok=True)
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _work(study: Study, objective: Objective, name: str) -> None:
    while (trial := study.ask(name)) is not None:
        study.run(trial, objective)
        say(_progress(study))


def _progress(study: Study) -> str:
    every = study.outcomes()
    losses = [(o.loss, o.index) for o in every if o.state == "Complete" and o.loss is not None]
    best = f", best log loss {min(losses)[0]:.4f} (trial {min(losses)[1]})" if losses else ""
    pruned = sum(outcome.state == "Pruned" for outcome in every)
    return f"search: {len(every)} of {study.budget} trials done, {pruned} pruned{best}"


def _process(path: Path, plan: Plan, factory: Factory, name: str, parent: int) -> None:
    """Run a worker. It ends with its parent, since nobody else would release its trial."""
    objective = factory()

    def watched(params: Params, report: Report) -> Sequence[float]:
        def checked(step: int, loss: float) -> None:
            if os.getppid() != parent:
                raise SystemExit(1)
            report(step, loss)

        return objective(params, checked)

    _work(Study(path, plan), watched, name)


def _supervise(path: Path, plan: Plan, factory: Factory, study: Study) -> None:
    context = multiprocessing.get_context("spawn")
    running: list[SpawnProcess] = []

    def start() -> None:
        arguments = (path, plan, factory, name := secrets.token_hex(4), os.getpid())
        process = context.Process(target=_process, args=arguments, name=name)
        process.start()
        running.append(process)

    try:
        for _ in range(min(plan.settings.parallelism, study.budget)):
            start()
        while running:
            ended = wait([process.sentinel for process in running])
            for process in [each for each in running if each.sentinel in ended]:
                running.remove(process)
                process.join()
                if process.exitcode == 0:
                    continue
                if not study.release(process.name):
                    raise RuntimeError(
                        f"a worker of the search ended with {process.exitcode} outside a trial; "
                        "its output is above (-9: out of memory, raise "
                        "training.resources.limits.memory or lower search.parallelism)"
                    )
                say(f"search: a worker ended with {process.exitcode}; starting another")
                start()
    finally:
        for process in running:
            process.terminate()
            process.join()
