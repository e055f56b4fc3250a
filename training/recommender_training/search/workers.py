"""The processes of a search. One worker runs in this process, several in their own.

A worker that dies loses only its trial. The trial is marked as failed, and a new worker retries
the same configuration.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import secrets
from collections.abc import Callable, Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path

from recommender_training.common.progress import say
from recommender_training.config.search_space import Params
from recommender_training.search.study import (
    Objective,
    Outcome,
    Plan,
    Report,
    Study,
    journal_lock,
    repair_journal,
)

#: Creates the objective inside a worker process; must be picklable.
Factory = Callable[[], Objective]


def search_in_workers(path: Path, plan: Plan, factory: Factory) -> tuple[Outcome, ...]:
    """Search until the budget is used up; resume an interrupted run.

    A second search with the same journal waits for the first. Raises RuntimeError if a worker dies
    before its first trial.
    """
    with journal_lock(
        path.with_suffix(".lock"), lambda: say(f"search: waiting for another at {path}")
    ):
        # A killed process may have left the lock of the journal and an unfinished line.
        Path(f"{path}.lock").unlink(missing_ok=True)
        repair_journal(path)
        study = Study(path, plan)
        lost = study.give_up()
        done = len(study.outcomes()) - lost
        if done > 0:
            say(f"search: resuming after {done} of {study.budget} trials")
        if plan.parallelism == 1:
            _work(study, factory(), "0")
        else:
            _supervise(path, plan, factory, study)
        return study.outcomes()


def _work(study: Study, objective: Objective, name: str) -> None:
    while (trial := study.ask(name)) is not None:
        study.run(trial, objective)
        say(_line(study))


def _line(study: Study) -> str:
    every = study.outcomes()
    losses = [(o.loss, o.index) for o in every if o.state == "Complete" and o.loss is not None]
    best = f", best log loss {min(losses)[0]:.4f} (trial {min(losses)[1]})" if losses else ""
    pruned = sum(outcome.state == "Pruned" for outcome in every)
    return f"search: {len(every)} of {study.budget} trials done, {pruned} pruned{best}"


def _process(path: Path, plan: Plan, factory: Factory, name: str, parent: int) -> None:
    """Run a worker. It ends with its parent, since nobody else would mark its trial as failed."""
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
    running: list[tuple[SpawnProcess, str]] = []
    session, started = secrets.token_hex(4), 0

    def start() -> None:
        nonlocal started
        name = f"{session}-{started}"
        process = context.Process(
            target=_process, args=(path, plan, factory, name, os.getpid()), name=name
        )
        process.start()
        started += 1
        running.append((process, name))

    try:
        for _ in range(min(plan.parallelism, study.budget)):
            start()
        while running:
            ended = multiprocessing.connection.wait([process.sentinel for process, _ in running])
            for process, name in [each for each in running if each[0].sentinel in ended]:
                process.join()
                running.remove((process, name))
                if process.exitcode == 0:
                    continue
                if not study.started(name):
                    raise RuntimeError(
                        f"worker {name} of the search ended with {process.exitcode} before its "
                        "first trial; its output is above (-9: out of memory, raise "
                        "training.resources.memory or lower search.parallelism)"
                    )
                study.give_up(name)
                say(f"search: worker {name} ended with {process.exitcode}; starting another")
                start()
    finally:
        for process, _ in running:
            process.terminate()
            process.join()
