"""The verbs that request something: a checked patch, tried again if the model has changed."""

from __future__ import annotations

import argparse
import datetime
import secrets
import time

from recommender_kubectl import requests
from recommender_kubectl.cluster import Cluster, ClusterError, ConflictError
from recommender_kubectl.console import Console
from recommender_kubectl.objects import Model
from recommender_kubectl.requests import Maker, Request

#: A model's status is written at each reconcile, so a first attempt may well meet a newer one.
_ATTEMPTS = 10
#: Seconds between two polls of `--wait`.
_PAUSE = 1.0
_MAKERS: dict[str, Maker] = {
    "promote": requests.promote,
    "pause": requests.pause,
    "resume": requests.resume,
    "abort": requests.abort,
    "retrain": requests.retrain,
    "unlock": requests.unlock,
    "retry": requests.unlock,
}


def act(cluster: Cluster, console: Console, given: argparse.Namespace) -> int:
    """Carry out a verb; 0 if it was requested or, with --wait, carried out."""
    make = requests.roll_back(given.to) if given.verb == "rollback" else _MAKERS[given.verb]
    request, model = submit(cluster, given.model, make, dry_run=given.dry_run)
    if given.dry_run:
        console.say(f"recommendermodel/{model.name}: {request.summary} (dry run)")
        return 0
    console.say(f"recommendermodel/{model.name}: {request.summary} requested")
    if not given.wait:
        return 0
    answer = _await(cluster, request, model, given.timeout)
    console.say(f"recommendermodel/{model.name}: {answer.message}")
    return 0 if answer.done else 1


def submit(
    cluster: Cluster, name: str, make: Maker, *, dry_run: bool = False
) -> tuple[Request, Model]:
    """Check and send a request; if the model has changed meanwhile, check again.

    Raises:
        RefusedError: it makes no sense now.
        ClusterError: the API server refused it, or the model changes faster than it is read.
    """
    token = f"cli-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    for _ in range(_ATTEMPTS):
        request = make(cluster.model(name), cluster.versions(name), token)
        try:
            return request, cluster.patch(name, request.patch, dry_run=dry_run)
        except ConflictError:
            continue
    raise ClusterError(f"{name} changed {_ATTEMPTS} times between reading and writing; try again")


def _await(cluster: Cluster, request: Request, model: Model, timeout: float) -> requests.Answer:
    end = time.monotonic() + timeout
    while True:
        answer = requests.answer(request, model.generation, cluster.model(model.name))
        if answer is not None:
            return answer
        if time.monotonic() >= end:
            raise ClusterError(
                f"the operator has not answered within {timeout:.0f} s; the request stands: "
                f"`kubectl recommender status {model.name}`"
            )
        time.sleep(_PAUSE)
