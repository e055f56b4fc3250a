"""Figures of the code: how much there is to read, and how far a request and a reconcile walk.

`make figures-of-the-code` prints one JSON object. Lines are those of Python files, words those
of Markdown. The modules on the way are those in which a function runs, while a transformer
answers one plain request over v1, and while the operator makes one pass for a model whose
candidate is in training.
"""

from __future__ import annotations

import asyncio
import collections
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.objects import add_model
from tests.syntax import statements
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_serving.serving_served import Served

ROOT = Path(__file__).parents[1]
PRODUCT = ("client", "contract", "operator", "serving", "training")
RECORDS, NOTES, REFERENCE = "docs/adr/", "docs/lab/", "docs/reference/"
SHORT = 25  # lines
OFTEN = 3  # uses of a name


def tracked(*patterns: str) -> list[str]:
    found = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in found.stdout.split() if (ROOT / name).exists()]


def product_files() -> list[str]:
    return [name for name in tracked("*.py") if name.startswith(PRODUCT) and "_pb2" not in name]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def lines(names: list[str]) -> int:
    return sum(text(name).count("\n") for name in names)


def words(names: list[str]) -> int:
    return sum(len(text(name).split()) for name in names)


def leaves(schema: dict[str, Any]) -> int:
    """Return the number of fields of a structural schema that have no fields of their own."""
    inner = schema.get("properties") or {}
    if not inner:
        below = schema.get("items") or schema.get("additionalProperties")
        return leaves(below) if isinstance(below, dict) and below.get("properties") else 1
    return sum(leaves(each) for each in inner.values())


def spec_fields() -> int:
    (path,) = (each for each in tracked("manifests/*.yaml") if "recommendermodel" in each)
    crd = yaml.safe_load(text(path))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return leaves(schema["properties"]["spec"])


def functions(names: list[str]) -> Iterator[str]:
    for name in names:
        for node in statements(text(name)):
            found = getattr(node, "name", "")
            if found and not found.startswith("_") and type(node).__name__.endswith("FunctionDef"):
                yield found


def repeated(names: Iterator[str]) -> int:
    return sum(uses > OFTEN for uses in collections.Counter(names).values())


async def visited(act: Callable[[], Awaitable[object]]) -> set[str]:
    """Return the modules of the product in which a function runs, in this thread."""
    found: set[str] = set()

    def note(frame: Any, _event: str, _argument: object) -> None:
        found.add(str(frame.f_globals.get("__name__")))

    sys.setprofile(note)
    try:
        await act()
    finally:
        sys.setprofile(None)
    return {name for name in found if name.startswith("recommender_")}


async def of_a_request() -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        served = await Served.opened(Path(folder))
        async with served.http:

            async def ask() -> None:
                body = {"instances": [{"user_id": 1}]}
                answer = await served.http.post("/v1/models/recommender:predict", json=body)
                answer.raise_for_status()

            await ask()
            return await visited(ask)


async def of_a_reconcile() -> set[str]:
    rig = Rig()
    add_model(rig.kube)
    for _ in range(3):
        await rig.reconciler.reconcile(KEY)
    return await visited(lambda: rig.reconciler.reconcile(KEY))


def figures() -> dict[str, int]:
    files = product_files()
    pages = [
        name
        for name in tracked("*.md")
        if not name.startswith((RECORDS, NOTES, REFERENCE, "tests/"))
    ]
    stems = (Path(name).stem for name in files)
    return {
        "product_lines": lines(files),
        "product_files": len(files),
        "test_lines": lines(tracked("tests/*.py")),
        "page_words": words(pages),
        "record_words": words(tracked(f"{RECORDS}*.md")),
        "note_words": words(tracked(f"{NOTES}*.md")),
        "spec_fields": spec_fields(),
        "request_modules": len(asyncio.run(of_a_request())),
        "reconcile_modules": len(asyncio.run(of_a_reconcile())),
        "short_files": sum(0 < text(name).count("\n") < SHORT for name in files),
        "often_used_file_names": repeated(each for each in stems if not each.startswith("_")),
        "often_used_function_names": repeated(functions(files)),
    }


def main() -> None:
    if "--names" in sys.argv:
        print("\n".join(sorted(asyncio.run(of_a_request()))), end="\n\n")
        print("\n".join(sorted(asyncio.run(of_a_reconcile()))), end="\n\n")
    print(json.dumps(figures(), indent=1))


if __name__ == "__main__":
    main()
