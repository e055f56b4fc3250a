"""What is wrong with a command of a page, by its program: pure, but for reading files."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

from recommender_collector.process import command_line as collector
from recommender_examples import command_line as examples
from recommender_kubectl import arguments as kubectl_recommender
from recommender_serving.process import settings as serving
from recommender_simulate import arguments as simulate
from recommender_training.cli import main as training
from tests.pages import charts, kubectl, requests
from tests.pages.blocks import ROOT, Block
from tests.pages.shell import Command, commands

#: Programs that each reader of their part has; what they do with their arguments is not ours.
PLAIN = {
    ".", "cat", "docker", "echo", "export", "head", "jq", "kafka-topics.sh", "kill", "sed",
    "sleep", "sort", "uniq", "wait", "xargs",
}  # fmt: skip
#: What words in capitals stand for, for parsers that check their arguments.
_SAMPLES = {
    "MODEL": "movies", "VERSION": "movies-1a2b3c4d", "N": "1", "F": "0.5",
    "JSON": "{}", "TOKEN": "1", "DIGEST16": "0123456789abcdef",
    "sha256:DIGEST": "sha256:" + "0" * 64, "sha256:…": "sha256:" + "0" * 64,
}  # fmt: skip
#: Folders of modules, and modules of others.
_ROOMS = (".", "contract", "operator", "training", "serving", "client")
_MODULES = {"pytest", "torch.distributed.run", "venv"}
#: A format is one of a list, and elsewhere F is a share.
_FORMAT = {"F": "CSV"}


def problems(block: Block) -> list[str]:
    """Return what is wrong with the commands of a block."""
    texts = synopses(block.text) if block.language == "inline" else [block.text]
    try:
        found = [each for text in texts for each in commands(text)]
    except ValueError as error:
        return [str(error)]
    return [f"{' '.join(each)[:80]}: {wrong}" for each in found for wrong in _of(block, each)]


def synopses(text: str) -> list[str]:
    """Return the commands that a synopsis stands for: `[--all]` may be there or not, of
    `(--one | --other)` there is one, `<name>` is a name, and `…` more of the same."""
    text = re.sub(r"<([\w ]+)>", r"\1", re.sub(r" …|\.\.\.$", "", text))
    choice = re.search(r"(?<!\$)\(([^()|]+)\|([^()|]+)\)", text)
    if choice:
        one, other = choice.groups()
        before, after = text[: choice.start()], text[choice.end() :]
        return [each for way in (one, other) for each in synopses(before + way + after)]
    option = r"(?<=\s)\[([^\]]*)\]"
    with_all, with_none = re.sub(option, r"\1", text), re.sub(option, "", text)
    return [with_all] if with_all == with_none else [with_all, with_none]


def _of(block: Block, command: Command) -> Iterator[str]:
    program, rest = command[0], command[1:]
    if program in PLAIN:
        # xargs starts the rest of its words.
        if program == "xargs":
            after = [at for at, word in enumerate(rest) if not word.startswith("-")]
            yield from _of(block, rest[after[0] :]) if after else ()
        return
    if program == "kubectl" and rest[:1] == ("recommender",):
        yield from own(kubectl_recommender.parser, rest[1:], mention=block.language == "inline")
        return
    check = _checks(block).get(program)
    if check is None:
        yield f"{program} is no known program: check it in tests/pages, or list it there"
    elif not (block.language == "inline" and program in ("helm", "kubectl") and len(rest) < 2):
        yield from check(rest)


def _checks(block: Block) -> dict[str, Callable[[Sequence[str]], Iterator[str]]]:
    """Return the check of each program; one word after kubectl or helm is only a mention."""
    mention = block.language == "inline"
    return {
        "kubectl": kubectl.problems,
        "helm": charts.problems,
        "curl": partial(requests.curl_problems, block.page),
        "grpcurl": partial(requests.grpcurl_problems, block.page),
        "recommender-collector": partial(own, collector.build_parser, mention=mention),
        "recommender-examples": partial(own, examples.parser, mention=mention),
        "recommender-serving": partial(own, serving.build_parser, mention=mention),
        "recommender-simulate": partial(own, simulate.parser, mention=mention),
        "recommender-training": partial(own, training.parser, mention=mention),
        "torchrun": _torchrun,
        "pip": _pip,
        "make": _make,
        "python": _python,
        "python3": _python,
    }


def own(
    parser: Callable[[], argparse.ArgumentParser], words: Sequence[str], mention: bool = False
) -> Iterator[str]:
    """Yield what one of our parsers refuses. In the text, a verb alone is only a mention."""
    parsing = _cached(parser)
    if mention and len(words) < 2:
        yield from (f"{word} is no verb" for word in words if word not in _verbs(parsing))
        return
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        parsing.parse_args([*_filled(words)])
    if said.getvalue():
        yield said.getvalue().strip().splitlines()[-1]


def _verbs(parser: argparse.ArgumentParser) -> set[str]:
    subparsers = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {name for each in subparsers for name in each.choices}


def _filled(words: Sequence[str]) -> Iterator[str]:
    """Replace what the reader fills in."""
    flag = ""
    for word in words:
        samples = _SAMPLES | (_FORMAT if flag == "--format" else {})
        # Variables of the shell: addresses end with _URL.
        shown = re.sub(r"\$\w+", "name", re.sub(r"\$\w*_URL", "http://host", word))
        yield samples.get(shown, shown)
        flag = word


@cache
def _cached(parser: Callable[[], argparse.ArgumentParser]) -> argparse.ArgumentParser:
    return parser()


def _torchrun(words: Sequence[str]) -> Iterator[str]:
    if "recommender-training" not in words:
        yield "starts no recommender-training"
        return
    yield from own(training.parser, words[list(words).index("recommender-training") + 1 :])


def _pip(words: Sequence[str]) -> Iterator[str]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for word in words[1:]:
        found = re.fullmatch(r"\.\[([a-z,]+)\]", word)
        if words[0] != "install" or not found:
            yield f"{word} is not of this repository"
        else:
            missing = set(found[1].split(",")) - extras["optional-dependencies"].keys()
            yield from (f"there is no extra {each}" for each in missing)


def _make(words: Sequence[str]) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9%-]+):.*## ", makefile, flags=re.MULTILINE))
    for word in words:
        named = re.fullmatch(r"bench-([a-z-]+)", word)
        module = named and f"benchmarks/{named[1].replace('-', '_')}.py"
        exists = module and any((ROOT / room / module).exists() for room in ("tests", "lab"))
        if "=" not in word and word not in targets and not exists:
            yield f"there is no target {word}"


def _python(words: Sequence[str]) -> Iterator[str]:
    if len(words) < 2 or words[0] != "-m":
        yield "only modules are started"
        return
    path = words[1].replace(".", "/")
    files = [f"{room}/{path}{end}" for room in _ROOMS for end in (".py", "/__main__.py")]
    if words[1] not in _MODULES and not any((ROOT / file).exists() for file in files):
        yield f"there is no module {words[1]}"
