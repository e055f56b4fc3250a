"""Commands of helm, and values of the chart: pure, but for reading the chart."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import jsonschema
import yaml

from tests.pages import flags, models
from tests.pages.blocks import ROOT, of
from tests.pages.shell import commands

Json = dict[str, Any]
CHART = "charts/recommender-operator"
_SHARED = {"-n": True, "--namespace": True}
_VALUES = {
    "--set": True, "--set-string": True, "-f": True, "--reset-then-reuse-values": False,
    "--wait": False, "--timeout": True, "--create-namespace": False, "--dry-run": True,
}  # fmt: skip
VERBS: dict[str, flags.Flags] = {
    "get": {"-o": True},
    "history": {},
    "install": _VALUES,
    "list": {"-A": False},
    "rollback": {"--wait": False},
    "template": {**_VALUES, "--show-only": True},
    "test": {},
    "uninstall": {},
    "upgrade": _VALUES,
}
#: Words in capitals stand for what the reader fills in; `sha256:DIGEST` for a digest.
_PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]{2,}\b")


def problems(words: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the words after `helm`."""
    if not words or words[0] not in VERBS:
        yield f"{' '.join(words[:1]) or 'nothing'} is no known verb of helm"
        return
    verb = words[0]
    line = flags.read(words[1:], _SHARED | VERBS[verb])
    yield from line.problems
    if VERBS[verb].keys() >= _VALUES.keys():
        if line.words[1:] != [CHART]:
            yield f"{verb} takes a release and {CHART}, not {' '.join(line.words)}"
        try:
            settings = [each for name in ("--set", "--set-string") for each in
                        line.flags.get(name, ())]  # fmt: skip
            given = set_values(settings)
        except ValueError as error:
            yield str(error)
            return
        yield from value_problems(given)
    for path in line.flags.get("--show-only", ()):
        if not (ROOT / CHART / path).exists():
            yield f"{CHART}/{path} does not exist"


def rendered() -> dict[str, Json]:
    """Return the values of each command and block that installs or changes the release."""
    found = {}
    for block in of("sh"):
        for at, words in enumerate(commands(block.text)):
            if words[:1] == ("helm",) and words[1] in ("install", "upgrade", "template"):
                line = flags.read(words[2:], _SHARED | _VALUES | VERBS[words[1]])
                found[f"{block}/{at}"] = set_values(line.flags.get("--set", ()))
    for block in of("yaml"):
        for document in models.documents(block.text):
            if not models.is_model(document) and document.keys() <= _chart()[0].keys():
                found[str(block)] = document
    return found


def set_values(settings: Sequence[str]) -> Json:
    """Return the values of `--set`, without its rarer forms.

    Raises:
        ValueError: a setting has no value.
    """
    values: Json = {}
    for setting in settings:
        path, given, text = setting.partition("=")
        if not given:
            raise ValueError(f"--set {setting} has no value")
        *parents, last = path.split(".")
        node = values
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = _value(text)
    return values


def _value(text: str) -> object:
    if text.startswith("{"):
        return [_filled(each) for each in text.strip("{}").split(",") if each]
    return json.loads(text) if re.fullmatch(r"true|false|\d+", text) else _filled(text)


def _filled(text: str) -> str:
    text = text.replace("sha256:DIGEST", "sha256:" + "0" * 64)
    return _PLACEHOLDER.sub(lambda found: found[0].lower().replace("_", "-"), text)


def value_problems(given: Json) -> Iterator[str]:
    """Yield what the chart's schema refuses in values that are set over the defaults."""
    values, schema = _chart()
    validator = jsonschema.Draft7Validator(schema)
    for error in validator.iter_errors(models.merged(copy.deepcopy(values), given)):
        yield f"{error.json_path}: {error.message}"[:300]


@cache
def _chart() -> tuple[Json, Json]:
    values = yaml.safe_load((ROOT / CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((ROOT / CHART / "values.schema.json").read_text(encoding="utf-8"))
    return values, schema
