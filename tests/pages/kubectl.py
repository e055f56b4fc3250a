"""Commands of kubectl: verbs, flags, kinds, fields, conditions, annotations: pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from recommender_contract.api_names import GROUP
from recommender_operator.api.conditions import ConditionType
from tests.pages import flags, models, schemas
from tests.pages.blocks import ROOT

_SHARED = {"-n": True, "--namespace": True, "--context": True, "--kubeconfig": True}
_SHOWN = {"-o": True, "-A": False, "-l": True}
#: Flags of each verb; the value says whether a flag has one.
VERBS: dict[str, flags.Flags] = {
    "annotate": {"--overwrite": False, "--all": False, "-l": True},
    "apply": {
        "-f": True,
        "--server-side": False,
        "--force-conflicts": False,
        "--dry-run": True,
    },
    "completion": {},
    "config": {"--current": False},
    "create": {"-f": True, "--from-literal": True, "--from-file": True, "--duration": True},
    "delete": {"-f": True, "-l": True, "--wait": True, "--ignore-not-found": False},
    "describe": _SHOWN,
    "explain": {},
    "get": {**_SHOWN, "--field-selector": True, "--show-managed-fields": False, "-w": False},
    "krew": {"--manifest": True, "--archive": True},
    "label": {"--overwrite": False},
    "logs": {"-l": True, "-c": True, "--tail": True, "--previous": False, "--prefix": False},
    "patch": {
        "--type": True,
        "-p": True,
        "--subresource": True,
        # To change a file before it is applied.
        "--local": False,
        "-f": True,
        "--patch-file": True,
        "-o": True,
    },
    "port-forward": {},
    "replace": {"-f": True, "--subresource": True},
    "rollout": {"--timeout": True},
    "scale": {"--replicas": True},
    "wait": {"--for": True, "--timeout": True, "-l": True},
}
#: Verbs whose first word is a kind, or `kind/name`.
_OF_KINDS = {"annotate", "delete", "describe", "get", "label", "patch", "scale", "wait"}
ANNOTATIONS = {"abort", "promote", "retrain", "retry", "rollback-to", "snapshot"}
LABELS = {"instance", "model", "storage", "version"}


def problems(words: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the words after `kubectl`, other than `kubectl recommender`."""
    every = _SHARED | {name: value for known in VERBS.values() for name, value in known.items()}
    verb = next(iter(flags.read(words, every).words), "")
    if verb not in VERBS:
        yield f"{verb or 'nothing'} is no known verb of kubectl"
        return
    line = flags.read(words, _SHARED | VERBS[verb])
    yield from line.problems
    operands = line.words[1:]
    kind, named = "", operands
    if verb in _OF_KINDS and operands:
        kind, _, name = operands[0].partition("/")
        named = ([name] if name else []) + operands[1:]
        yield from schemas.kind_problems(kind)
    yield from _fields(kind, line)
    yield from _values(verb, kind, named, line)


def _fields(kind: str, line: flags.Line) -> Iterator[str]:
    """Check the fields that a command shows."""
    shown = line.value("-o") or ""
    form, _, template = shown.partition("=")
    if form not in ("", "yaml", "json", "wide", "name", "jsonpath", "custom-columns"):
        yield f"-o {form} is no known form"
    if form == "jsonpath":
        for path in re.findall(r"\{(?:range )?(\.[^}]+)\}", template):
            yield from schemas.path_problems(kind, path.removeprefix(".items[*]"))
    if form == "custom-columns":
        for path in re.findall(r":(\.[^,]+)", template):
            yield from schemas.path_problems(kind, path)
    awaited = line.value("--for") or ""
    condition = re.fullmatch(r"condition=(\w+)(=\w+)?", awaited)
    if kind in schemas.ours() and condition and condition[1] not in set(ConditionType):
        yield f"{condition[1]} is no condition of {kind}"
    if awaited and not condition and awaited != "delete":
        yield f"--for={awaited} is not understood"


def _values(verb: str, kind: str, named: Sequence[str], line: flags.Line) -> Iterator[str]:
    """Check what a command changes or reads by name."""
    match verb:
        case "explain":
            first, _, path = (named[0] if named else "").partition(".")
            yield from schemas.kind_problems(first)
            if path:
                yield from schemas.path_problems(first, path)
        case "annotate" | "label":
            own = {word for word in named if word.startswith(f"{GROUP}/")}
            known = ANNOTATIONS if verb == "annotate" else LABELS
            for word in own:
                name = re.split(r"[=-]$|=", word.removeprefix(f"{GROUP}/"), maxsplit=1)[0]
                if name not in known:
                    yield f"{word}: {verb} knows {', '.join(sorted(known))}"
        case "patch":
            yield from _patch(kind, line)
    for flag in ("-f", "--filename"):
        for path in line.flags.get(flag, ()):
            yield from file_problems(path)


def _patch(kind: str, line: flags.Line) -> Iterator[str]:
    body, file = line.value("-p"), line.value("--patch-file")
    if file is not None:
        yield from file_problems(file)
        return
    if body is None:
        yield "patch has no -p"
        return
    try:
        patch = json.loads(body)
    except json.JSONDecodeError as error:
        yield f"-p {body}: {error}"
        return
    if line.value("--type") == "json":
        for operation in patch:
            yield from schemas.path_problems(kind, operation["path"].replace("/", "."))
    elif kind in schemas.ours():
        if line.value("--type") != "merge":
            yield f"{kind} accepts no strategic merge patch: give --type=merge"
        yield from models.fragment_problems({"spec": patch.get("spec", {})})
        yield from (f"-p has {key}" for key in patch.keys() - {"spec", "metadata"})


def file_problems(path: str) -> Iterator[str]:
    """Yield a path of the repository that does not exist. Other names are the reader's files."""
    if "/" in path and not path.startswith(("build/", "/")) and not (ROOT / Path(path)).exists():
        yield f"{path} does not exist"
