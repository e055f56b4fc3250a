"""An artifact as a version that answers requests, like the endpoint with nothing but it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from recommender_contract.artifact import ITEM_IDS, POPULARITY, VOCABULARY
from recommender_contract.events import Source
from recommender_contract.ids import IdKind, IdKinds
from recommender_training.answers.lists import Catalogue, Pairs
from recommender_training.answers.requests import Asked
from recommender_training.artifact import manifest, triton
from recommender_training.data.sessions import Request
from recommender_training.export import torchscript
from recommender_training.export.tensors import to_tensors

#: A line of the output, by field.
Answer = dict[str, Any]


class OfflineVersion:
    """Answers as its model, else its baseline, else its popularity. Threads may share it."""

    def __init__(self, folder: Path, digest: str | None = None) -> None:
        """Verify every file of the artifact, then load it.

        Raises InputError `ArtifactInvalid`, also if its digest is not the one expected.
        """
        facts = manifest.verify_artifact(folder, digest)
        self._folder = folder
        self.vocabulary = _json(folder, VOCABULARY)
        kinds = facts.get("ids", {})
        self.kinds = IdKinds(*(IdKind(kinds.get(of, "Integer")) for of in ("user", "item")))
        self._catalogue = Catalogue(self.vocabulary, _json(folder, POPULARITY))
        self._texts: dict[int, str] | None = None
        if self.kinds.item is IdKind.TEXT:
            texts, items = _json(folder, ITEM_IDS)["texts"], self.vocabulary["items"]["ids"]
            self._texts = dict(zip(items, texts, strict=True))
        self._model = torchscript.load(triton.model_path(folder))

    @cached_property
    def _baseline(self) -> torch.jit.ScriptModule:
        return torchscript.load(triton.model_path(self._folder, triton.MODELS[1]))

    def answers(self, asked: Sequence[Asked]) -> Iterator[Answer]:
        """Yield the answer to each request, as the endpoint's predictions have it.

        Several are asked of a graph at once, as Triton does.
        """
        size = triton.MAX_BATCH_SIZE
        for start in range(0, len(asked), size):
            batch = asked[start : start + size]
            known = [self._catalogue.beyond_the_graph(each) for each in batch]
            requests = [
                {**each.request, "top_n": self._catalogue.depth(each, hidden)}
                for each, hidden in zip(batch, known, strict=True)
            ]
            ranked = _ranked(self._model, requests, self.vocabulary)
            for each, hidden, request, pairs in zip(batch, known, requests, ranked, strict=True):
                yield self._answer(each, hidden, request, pairs)

    def _answer(
        self, asked: Asked, known: frozenset[int], request: Request, pairs: Pairs | None
    ) -> Answer:
        source, catalogue = Source.MODEL, self._catalogue
        if pairs is None:
            source = Source.BASELINE
            (pairs,) = _ranked(self._baseline, [request], self.vocabulary)
        chosen = catalogue.chosen(pairs or (), asked, known)
        if not chosen:
            source, chosen = Source.POPULARITY, catalogue.popular(asked, known)
        chosen = [*chosen, *self._named(catalogue.rest(asked, known, chosen))]
        items = [item for item, _ in chosen[: asked.request["top_n"]]]
        return {
            "items": items if self._texts is None else [self._texts[item] for item in items],
            "scores": [score for _, score in chosen[: len(items)]],
            "score_kind": "popularity" if source is Source.POPULARITY else "probability",
            "source": source.value,
        }

    def _named(self, pairs: Pairs) -> Pairs:
        """Those that a list can show: a candidate of the request may have no known text."""
        return [pair for pair in pairs if self._texts is None or pair[0] in self._texts]


def _ranked(
    model: torch.jit.ScriptModule, requests: Sequence[Request], vocabulary: dict[str, Any]
) -> list[Pairs | None]:
    """The ranking of each request, as many items as it wants; None if it is of no use."""
    try:
        with torchscript.as_served():
            items, scores = model(*to_tensors(requests, vocabulary))
    except (RuntimeError, torch.jit.Error):
        if len(requests) == 1:
            return [None]
        return [_ranked(model, [each], vocabulary)[0] for each in requests]
    found: list[Pairs | None] = []
    rows = zip(requests, items.tolist(), scores.tolist(), strict=True)
    for request, ids, values in rows:
        if len(ids) < request["top_n"] and len(requests) > 1:
            # What is left out for one request of a batch makes all of its lists shorter.
            found += _ranked(model, [request], vocabulary)
        else:
            found.append(_usable(ids[: request["top_n"]], values[: request["top_n"]]))
    return found


def _usable(items: Sequence[int], scores: Sequence[float]) -> Pairs | None:
    if not items or not all(map(math.isfinite, scores)):
        return None
    first: dict[int, float] = {}
    for item, score in zip(items, scores, strict=True):
        first.setdefault(item, score)
    return list(first.items())


def _json(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_bytes())
    return content
