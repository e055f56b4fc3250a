"""What a reader of the pages on requests and events has: two models that answer, and a collector.

Transformer, collector, its writer and Redis are real processes; Triton is played, and so is
grpcurl. `movies` has numbers as ids, as MovieLens; `shop` has texts, and is the model that the
page on events declares.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from recommender_contract.ids import hashed
from recommender_contract.resource.mapping import Format
from recommender_training.data import version_content
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests import collector_rig
from tests.fakes.ranking_triton import ranking_triton
from tests.integration.page_reader import Reader, reading
from tests.integration.transformer_rig import Running, run_transformer
from tests.pages import models
from tests.pages.blocks import ROOT, of
from tests.unit.recommender_serving.serving_samples import (
    REFERENCE,
    TEXTS,
    VOCABULARY,
    write_files,
    write_manifest,
    write_text_files,
)

#: Programs of the packages that pages start, and the played one.
PROGRAMS = {
    "recommender-serving": "recommender_serving.__main__",
    "recommender-collector": "recommender_collector.__main__",
    "recommender-simulate": "recommender_simulate.__main__",
    "recommender-training": "recommender_training.__main__",
    "grpcurl": "tests.integration.played_grpcurl",
}
ITEMS = range(1, 401)
GENRES = ["Action", "Comedy", "Drama"]
SECONDS = 60


def genre(item: int) -> str:
    return GENRES[item % 3]


def write_movies(folder: pathlib.Path) -> str:
    """An artifact with MovieLens's ids and names; return its digest."""
    column = {"name": "genre", "categories": GENRES, "primary": [item % 3 for item in ITEMS]}
    last = next(each for each in REFERENCE["features"] if each["name"] == "last_genre")
    others = [each for each in REFERENCE["features"] if each is not last]
    write_files(
        folder,
        vocabulary=VOCABULARY | {"items": {"ids": [*ITEMS], "features": [column]}},
        reference=REFERENCE | {"features": [*others, last | {"categories": GENRES}]},
    )
    return write_manifest(folder)


def declared() -> Mapping[str, Any]:
    """Return the declaration of the model `shop` on the page that sends events."""
    block, *_ = (each for each in of("yaml") if each.page == "docs/send-events.md")
    (values,) = models.documents(block.text)
    return dict(values["collector"]["models"]["shop"])


class Services:
    """The addresses behind the placeholders of the pages, and a shell."""

    def __init__(
        self,
        folder: pathlib.Path,
        movies: Running,
        shop: Running,
        rig: collector_rig.Rig,
        digest: str,
    ) -> None:
        self.folder, self.rig = folder, rig
        self.lake, self.artifacts = folder / "lake", folder / "artifacts"
        self._movies, self._shop, self._digest = movies, shop, digest
        tools = folder / "bin"
        for made in (tools, self.artifacts):
            made.mkdir()
        for name, module in PROGRAMS.items():
            start = f"import sys\nfrom {module} import main\nsys.exit(main())"
            (tools / name).write_text(f"#!{sys.executable}\n{start}\n", encoding="utf-8")
            (tools / name).chmod(0o755)
        self._environment = {
            "PATH": os.pathsep.join([str(tools), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)]),
            "HOST": movies.http,
            "TOKEN": collector_rig.ADMIN_TOKEN,
        }

    def reading(
        self, page: str, names: Mapping[str, str] | None = None
    ) -> contextlib.AbstractContextManager[Reader]:
        """Read a page to its end; `names` are patterns of the page's own placeholders."""
        return reading(self, page, names)

    def type(self, text: str, where: str = "") -> str:
        """Run commands as they are, in a clone, and return what they print."""
        done = subprocess.run(
            ["timeout", str(SECONDS), "bash", "-c", f"set -euo pipefail\n{text}"],
            env=self._environment, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{where}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def python(self, text: str, where: str = "") -> str:
        """Run a snippet as a notebook does: the value of its last line is printed, too."""
        tree = ast.parse(text, where)
        last = tree.body[-1]
        if isinstance(last, ast.Expr) and not _prints(last):
            shown = ast.parse(f"print({ast.unparse(last)})")
            tree.body[-1:] = shown.body
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(tree, where, "exec"), {})
        return said.getvalue()

    def filled(self, text: str) -> str:
        """Return a text with the addresses of what runs."""
        of_shop = "shop.default" in text
        http = (self._shop if of_shop else self._movies).http.removeprefix("http://")
        known = {
            r"recommender-operator-collector:9090": f"127.0.0.1:{self.rig.serve.admin}",
            r"http://recommender-operator-collector": self.rig.url,
            r"GATEWAY": self._movies.grpc if text.startswith("grpcurl") else http,
            r"host:8081": self._movies.grpc,
            r"/etc/recommender/collector.json": str(self.rig.files.parent / "collector.json"),
            r" /files\b": f" {self.rig.files}",
            r"/artifact\b": str(self.folder / "movies"),
            r"sha256:DIGEST": self._digest,
            r"\blake/shop\b": str(self.lake),
            r"\bartifacts/shop\b": str(self.artifacts),
        }
        for pattern, value in known.items():
            text = re.sub(pattern, value, text)
        return text

    def check(self) -> list[int]:
        """Ingest the files of the collector's writer; return the users of the lake's events."""
        kind = Format.JSON_LINES
        mapping = parse_mapping(json.dumps(declared()["mapping"]), kind)
        done = ingest.ingest_and_check(
            self.rig.files / "shop", self.lake, kind=kind, mapping=mapping
        )
        return (
            version_content.read_version(self.lake, done.data_version)
            .interactions["user_id"]
            .to_list()
        )


def _prints(line: ast.Expr) -> bool:
    call = line.value
    return isinstance(call, ast.Call) and ast.unparse(call.func) == "print"


@contextlib.contextmanager
def opened(folder: pathlib.Path) -> Iterator[Services]:
    """Start all of it."""
    digest = write_movies(folder / "movies")
    write_text_files(folder / "shop")
    collector = folder / "collector"
    collector.mkdir()
    with contextlib.ExitStack() as stack:
        rig = stack.enter_context(collector_rig.running(collector, settings=dict(declared())))

        def served(name: str, items: list[int]) -> Running:
            triton = stack.enter_context(ranking_triton(items))
            environ = {"RECOMMENDER_MODEL": name, **(rig.reader if name == "shop" else {})}
            log = folder / f"{name}.log"
            return stack.enter_context(
                run_transformer(folder / name, triton, log, environ=environ)
            )

        movies = served("movies", [*ITEMS])
        shop = served("shop", [hashed(text) for text in TEXTS])
        yield Services(folder, movies, shop, rig, digest)
