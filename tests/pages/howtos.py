"""The how-to pages: which of their commands a test executes, and where the others run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.pages import blocks
from tests.pages.statements import statements

#: Pages whose commands `tests/integration/test_how_tos.py` executes, in the order of the page.
PAGES = (
    "install", "rollback", "upgrade", "backup", "troubleshooting", "gpu-nodes", "console",
    "security", "operations", "kubectl-plugin", "upgrade-order", "several-releases",
    "closed-loop", "rehearse-loop", "own-columns", "notifications",
)  # fmt: skip
HOW_TOS = "tests/integration/test_how_tos.py"
REQUESTS = "tests/integration/test_request_pages.py"
TRAINING = "tests/integration/training/test_training_pages.py"
#: Pages whose commands and Python other tests execute too: the programs that each one types. None
#: are all, with the Python.
READ: dict[str, dict[str, tuple[str, ...]]] = {
    "requests": {REQUESTS: ()},
    "serving": {REQUESTS: ()},
    "request-fields": {REQUESTS: ()},
    "send-events": {REQUESTS: ()},
    "simulate-users": {REQUESTS: ()},
    "erasure": {REQUESTS: ()},
    "training": {TRAINING: ("recommender-training",)},
    "offline-answers": {TRAINING: ("recommender-training",)},
    "snapshots": {HOW_TOS: ("kubectl",), TRAINING: ("recommender-training",)},
}
#: Pages whose commands other tests execute as a whole, or do the same as.
OTHERS = {
    "tutorial": "tests/e2e/test_tutorial.py",
    "distributed-training": "tests/integration/training/test_distributed_training.py",
    "event-files": "tests/integration/collector/test_source_shares.py",
    "kafka": "tests/kafka_server.py creates topics by the client",
    "first-own-data": "tests/unit/recommender_training/ingestion/test_propose.py",
}
_NO_KUBELET = "no kubelet runs there"
_IMAGES = "builds and pushes images"
#: Statements by page and start, and why they are not executed there, with where else they run.
ELSEWHERE = {
    ("troubleshooting", "kubectl -n NAMESPACE patch scaledobject"):
        "KEDA's CRD is not there; tests/unit/pages/test_blocks.py reads the command",
    ("gpu-nodes", "docker build -f training/torch.Dockerfile"):
        f"{_IMAGES}, 5 GB with CUDA; tests/unit/pages/test_blocks.py reads the command",
    ("gpu-nodes", "docker build -f training/Dockerfile"):
        f"{_IMAGES}; tests/unit/test_tutorial.py compares the same build",
    ("gpu-nodes", "docker push"): f"{_IMAGES}; tests/unit/pages/test_blocks.py reads the command",
    ("gpu-nodes", "kubectl logs"): f"{_NO_KUBELET}; tests/scenario/collecting.py reads logs",
    ("console", "kubectl -n recommender-system port-forward"):
        f"{_NO_KUBELET}; tests/integration/test_console.py opens the console itself",
    ("console", "kubectl logs job/report"):
        f"{_NO_KUBELET}; tests/unit/test_report_job.py runs the command of the Job",
    ("kubectl-plugin", "pip install"): "installs packages; tests/unit/test_project.py builds them",
    ("kubectl-plugin", "make krew"): "tests/integration/test_krew_install.py",
    ("kubectl-plugin", "kubectl krew install"): "tests/integration/test_krew_install.py",
    ("own-columns", "pip install"): "installs packages; tests/unit/test_project.py builds them",
    ("own-columns", "recommender-training init"):
        "needs the reader's files; tests/unit/recommender_training/ingestion/test_propose.py",
    ("own-columns", "recommender-training check"):
        "needs the reader's files; tests/integration/training/test_training_cli.py",
    ("closed-loop", "kubectl -n recommender-system port-forward"):
        f"{_NO_KUBELET}; tests/demo/parts.py",
    ("closed-loop", "curl -s http://localhost:8081/v1/events"):
        "nothing listens without a port-forward; tests/integration/collector",
    ("rehearse-loop", "kubectl -n rehearsal port-forward"): f"{_NO_KUBELET}; tests/demo/parts.py",
    ("rehearse-loop", "kubectl -n rehearsal wait"):
        "no operator of the rehearsal runs; the same for `shop` above, and tests/demo",
    ("rehearse-loop", "recommender-simulate"): "needs pods that answer; tests/scenario/loop.py",
    ("rehearse-loop", "sleep 30"): "waits for the writer, which does not run; tests/demo",
    ("rehearse-loop", "export GATEWAY_URL="):
        "is for recommender-simulate; tests/scenario/loop.py",
    ("training", "recommender-examples fetch-movielens"):
        "downloads; tests/unit/recommender_examples/test_movielens_fetch.py",
    ("distributed-training", "torchrun"):
        "tests/integration/training/test_distributed_training.py",
    ("distributed-training", "kubectl get trainjobs"):
        "Trainer's kinds are not there; tests/integration/test_train_jobs.py",
    ("distributed-training", "kubectl logs"):
        f"{_NO_KUBELET}; tests/scenario/collecting.py reads logs",
}  # fmt: skip


@dataclass(frozen=True)
class Script:
    """What is executed of a block, and its place."""

    where: str
    statements: tuple[str, ...]
    language: str = "sh"


def pages_with_commands() -> set[str]:
    """Return the names of the pages in `docs` that have commands."""
    return {name for block in blocks.of("sh") if (name := _name(block.page))}


def scripts(page: str, *programs: str) -> list[Script]:
    """Return what is executed of each block of a page; blocks of which nothing is are omitted.

    With `programs` it is only what these start, without the Python.
    """
    shown = [block for block in blocks.of("sh", "python") if _name(block.page) == page]
    found = [
        Script(str(block), tuple(_executed(page, block, programs)), block.language)
        for block in shown
    ]
    return [script for script in found if script.statements]


def _executed(page: str, block: blocks.Block, programs: tuple[str, ...]) -> Iterator[str]:
    if block.language == "python":
        yield from () if programs else (block.text,)
        return
    for each in statements(block.text):
        if not _named(page, each) and (not programs or each.split()[0] in programs):
            yield each


def unused() -> list[tuple[str, str]]:
    """Return the entries of the list that no page has any more."""
    shown = {(_name(b.page), each) for b in blocks.of("sh") for each in statements(b.text)}
    return [
        (page, start)
        for page, start in ELSEWHERE
        if not any(where == page and text.startswith(start) for where, text in shown)
    ]


def _named(page: str, statement: str) -> bool:
    return any(page == at and statement.startswith(start) for at, start in ELSEWHERE)


def _name(page: str) -> str:
    folder, _, file = page.rpartition("/")
    return file.removesuffix(".md") if folder == "docs" else ""


def named_tests() -> Iterator[str]:
    """Yield the paths that the lists name."""
    tests = (name for each in READ.values() for name in each)
    for reason in (*ELSEWHERE.values(), *OTHERS.values(), *tests):
        yield from (word.rstrip(";,") for word in reason.split() if word.startswith("tests/"))
