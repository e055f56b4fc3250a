"""Find what is left of a user in the files of the writer: the proof that an erasure has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from recommender_collector.domain import erasure_list
from recommender_collector.domain.events import Id
from recommender_collector.domain.validation import user_of_text
from recommender_collector.process import components
from recommender_collector.process.settings import FindSettings
from recommender_collector.writers import lake_erasure, lake_marks, removal
from recommender_collector.writers.file_batches import Batches
from recommender_runtime.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Report:
    """Where a user is left."""

    #: Rows of the user by file, relative to the folder of the model.
    rows: Mapping[str, int]
    #: Whether the writer still goes through the files for the user.
    is_open: bool
    #: Offset of the last erasure of the user in the log; None if there was none.
    erased: str | None
    #: Whether each lake has applied it, by name of its mark.
    lakes: Mapping[str, bool]

    @property
    def is_gone(self) -> bool:
        """True if nothing is left."""
        return not self.rows and not self.is_open and all(self.lakes.values())

    def text(self) -> str:
        """Return the report as one line of JSON."""
        return orjson.dumps(
            {
                "gone": self.is_gone,
                "rows": dict(self.rows),
                "erasing": self.is_open,
                "erased": self.erased,
                "lakes": dict(self.lakes),
            }
        ).decode()


def report(settings: FindSettings) -> Report:
    """Search all files of a model for a user; return what is left.

    Raises:
        DeclarationError, SettingsError, InvalidEvent, OSError: see there.
    """
    declared = components.declaration(settings)
    rules = components.rules(declared, settings.user_key).get(settings.model)
    if rules is None:
        known = ", ".join(sorted(declared.models)[:10])
        raise SettingsError(f"model is {settings.model[:60]!r}: give one of {known}")
    root = settings.files / settings.model
    if not root.is_dir():
        raise SettingsError(f"--files: {root} is not a folder; give that of `write`")
    user = user_of_text(settings.user, rules)
    column = rules.model.mapping.interactions.user
    files = Batches(root)
    journal = lake_erasure.Erasing(files, column)
    journal.load()
    erased = files.erased_at(erasure_list.user_digest(user))
    applied = {
        each.name: erased is None or each.erasures >= erased for each in lake_marks.marks(root)
    }
    offset = None if erased is None else "-".join(map(str, erased))
    return Report(_rows(files, column, user), journal.is_open(user), offset, applied)


def _rows(files: Batches, column: str, user: Id) -> dict[str, int]:
    found: dict[str, int] = {}
    for number in files.numbers():
        for name, without in lake_erasure.filters(column, (user,)).items():
            path = files.folder(number) / name
            if path.exists():
                count = sum(_lines(each) - _lines(without(each)) for each in removal.blocks(path))
                if count:
                    found[f"{path.parent.name}/{name}"] = count
    return found


def _lines(block: bytes) -> int:
    return sum(bool(line) for line in block.split(b"\n"))
