"""Three events, and the error of a check that refuses a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_training.common.errors import InputError
from tests.mapped_files import EXTENSIONS, START, check, event

FORMATS = list(EXTENSIONS)
ROWS = [event(1, 10, START, 5), event(2, 11, START + 60, 1), event(1, 11, START + 86_400, 3)]
AGE = {"name": "age", "kind": "Numeric", "edges": [25, 45], "fairness": True}


def failure(source: Path, path: Path, *arguments: object, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        check(source, path, *arguments, **options)  # type: ignore[arg-type]
    return caught.value
