"""What holds for the project as a whole."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.syntax import statements

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "recommender_contract": ROOT / "contract",
    "recommender_operator": ROOT / "operator",
    "recommender_console": ROOT / "operator",
    "recommender_training": ROOT / "training",
    "recommender_serving": ROOT / "serving",
    "recommender_collector": ROOT / "serving",
    "recommender_runtime": ROOT / "serving",
    "recommender_client": ROOT / "client",
    "recommender_kubectl": ROOT / "client",
}
#: Packages with an extra of their own; the others have that of their folder.
EXTRAS = {"recommender_kubectl": "cli"}
#: Packages whose pure core another one uses; import contracts keep it to that core.
SHARED = {"recommender_console": {"recommender_kubectl"}}
#: The package that all may import; it needs the standard library alone.
CONTRACT = "recommender_contract"
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def targets() -> set[str]:
    """Targets of the Makefile that are meant for people: those with a help text."""
    return set(re.findall(r"^([a-z0-9%-]+):.*## ", MAKEFILE, flags=re.MULTILINE))


@pytest.mark.parametrize("folder", [ROOT, ROOT / "operator"])
def test_pythons_own_operator_is_not_shadowed(folder: Path) -> None:
    script = "import operator; print(operator.itemgetter(0)('x'), operator.__file__)"
    # In the folder and with -c the current folder is first on the path: the worst case.
    said = run(sys.executable, "-c", script, cwd=folder)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("x "), said.stdout
    assert str(ROOT / "operator") not in said.stdout


def test_the_folders_of_the_rooms_are_no_packages() -> None:
    for folder in (*ROOMS.values(), ROOT / "tests", ROOT / "tests" / "unit"):
        assert not (folder / "__init__.py").exists(), folder


def test_no_module_has_the_name_of_a_folder_beside_it() -> None:
    # Asked for one file, mypy takes the folder for the module that another file imports.
    modules = [p for room in (*ROOMS.values(), ROOT / "tests") for p in room.rglob("*.py")]
    assert len(modules) > 100
    assert [path for path in modules if path.with_suffix("").is_dir()] == []


def test_no_property_has_a_number_of_examples_of_its_own() -> None:
    # The profile governs all of them: a fixed number would be as few in `make explore`.
    where = {ROOT / "tests" / name for name in ("conftest.py", "effort.py")} | {
        Path(__file__).resolve()
    }
    for path in (ROOT / "tests").rglob("*.py"):
        own = path not in where and "max_examples" in path.read_text(encoding="utf-8")
        assert not own, f"{path} sets the number of examples: use the profile, or tests.effort"


@pytest.mark.parametrize("package", sorted(ROOMS))
def test_a_room_is_imported_from_its_own_folder(package: str) -> None:
    found = run(
        sys.executable, "-c", f"import {package}; print({package}.__file__)", cwd=Path("/")
    )
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).resolve().is_relative_to(ROOMS[package])


def test_the_operator_imports_no_training_library_even_at_second_hand() -> None:
    script = (
        "import importlib, pkgutil, sys, recommender_operator as room\n"
        "for module in pkgutil.walk_packages(room.__path__, 'recommender_operator.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "heavy = {'torch', 'numpy', 'scipy', 'pandas', 'sklearn', 'polars', 'kserve'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = run(sys.executable, "-W", "ignore", "-c", script)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == "[]"


def test_every_target_does_its_own_set_up() -> None:
    for target in targets() - {"setup", "help"}:
        assert re.search(rf"^{re.escape(target)}: setup ", MAKEFILE, flags=re.MULTILINE), target


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_a_page_names_only_targets_that_exist(page: str) -> None:
    named = set(re.findall(r"`make ([a-z0-9-]+)", (ROOT / page).read_text(encoding="utf-8")))
    named -= {name for name in named if name.startswith("bench-")}
    assert named <= targets()
    assert named or page == "CHANGELOG.md"


PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]  # fmt: skip


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    bare = (re.sub(r"[^\w\- ]", "", title.lower()).strip() for title in titles)
    return {title.replace(" ", "-") for title in bare}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_only_to_what_is_there(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    broken = []
    for link in (link for link in links if "://" not in link):
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_ci_entry_runs_the_test_command_of_the_readme() -> None:
    entry = ROOT / ".ci" / "run"
    assert entry.stat().st_mode & stat.S_IXUSR
    text = entry.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert re.search(r"^make test\b", text, flags=re.MULTILINE)
    assert "`make test`" in README


@pytest.mark.parametrize("script", ["run", "setup"])
def test_a_shell_script_parses(script: str) -> None:
    said = run("bash", "-n", str(ROOT / ".ci" / script))
    assert said.returncode == 0, said.stderr


def test_the_operator_imports_nothing_that_its_image_leaves_out() -> None:
    dockerfile = (ROOT / "operator" / "Dockerfile").read_text(encoding="utf-8")
    removed = re.findall(r"/packages/(kubernetes/[\w/]+)", dockerfile)
    assert removed
    room = ROOMS["recommender_operator"]
    modules = [
        ".".join(path.relative_to(room).with_suffix("").parts)
        for path in (room / "recommender_operator").rglob("*.py")
        if path.stem not in {"__init__", "__main__"}
    ]
    script = f"import sys\nfor name in {modules}: __import__(name)\nprint(*sys.modules)"
    done = run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    left_out = {name.replace("/", ".") for name in removed}
    assert "kubernetes.aio.client" in loaded
    assert not loaded & left_out


def imported(room: Path) -> Iterator[str]:
    """Yield the top-level name of everything that a room imports from elsewhere."""
    for path in room.rglob("*.py"):
        for node in statements(path.read_text(encoding="utf-8")):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
            yield from (name.split(".")[0] for name in names)


def names_of(project: dict[str, Any], extras: Iterable[str]) -> set[str]:
    """The distributions that extras ask for."""
    asked = [name for each in extras for name in project["optional-dependencies"][each]]
    return {re.split(r"[\[<>=~! ]", name, maxsplit=1)[0].lower() for name in asked}


@pytest.mark.parametrize("package", sorted(ROOMS))
def test_a_package_declares_what_it_imports(package: str) -> None:
    room = ROOMS[package]
    beside = [name for name, folder in ROOMS.items() if folder == room and name not in EXTRAS]
    own = {package, CONTRACT, *(beside if package not in EXTRAS else ()), *SHARED.get(package, ())}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    more = ["tracing", "kafka"] if room.name == "serving" else []
    extras = [EXTRAS.get(package, room.name), *more]
    of_images = ("operator", "training", "serving")
    if package == CONTRACT:  # its models may use what every image has
        declared = set.intersection(*(names_of(project, [each]) for each in of_images))
    else:
        declared = names_of(project, extras)
    distributions = importlib.metadata.packages_distributions()
    used = set(imported(room / package)) - sys.stdlib_module_names - own
    # Several distributions share the folder of a namespace package, such as `opentelemetry`.
    found = {
        name: {each.lower().replace("_", "-") for each in distributions.get(name, [])}
        for name in used
    }
    assert {name for name in used if not found[name] & declared} == set()


def test_the_lock_file_pins_what_the_project_asks_for() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    own = next(p for p in lock["package"] if p["name"] == "recommender-operator")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, requirements in project["optional-dependencies"].items():
        names = {re.split(r"[\[<>=~! ]", r, maxsplit=1)[0].lower() for r in requirements}
        assert {d["name"] for d in own["optional-dependencies"][extra]} == names, extra


def test_everything_uses_the_same_uv() -> None:
    setup = (ROOT / ".ci" / "setup").read_text(encoding="utf-8")
    found = re.search(r"^uv_version=(\S+)$", setup, flags=re.MULTILINE)
    assert found
    files = [path for room in ROOMS.values() for path in room.rglob("*Dockerfile")]
    assert len(files) >= 3
    for path in files:
        named = re.findall(r"\buv==([\w.]+)", path.read_text(encoding="utf-8"))
        assert set(named) <= {found[1]}, path
