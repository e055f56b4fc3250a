"""The argument `--mapping` of the command line: JSON, or a file that holds it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.common.section import problems
from recommender_training.ingestion.mapping import Mapping


def parse_mapping(text: str | None, kind: Format) -> Mapping | None:
    """Read `--mapping`, which is JSON, or `@` and a file that holds it.

    Raises InputError `InvalidMapping` with the field and its limits, or if the format needs a
    mapping and has none, or takes none and has one.
    """
    if kind is Format.MOVIELENS_100K:
        if text is not None:
            raise InputError("InvalidMapping", f"the format {kind} takes no --mapping; remove it")
        return None
    if text is None:
        raise InputError(
            "InvalidMapping",
            f"the format {kind} needs --mapping, as in --mapping '"
            '{"interactions": {"files": "events/*", "user": "user_id", "item": "item_id", '
            '"timestamp": "time", "value": "rating"}}\'',
        )
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        mapping = Mapping.model_validate(json.loads(text), extra="forbid")
    except ValidationError as error:
        raise InputError("InvalidMapping", f"--mapping: {problems(error, Mapping)}") from error
    except (OSError, ValueError) as error:
        raise InputError("InvalidMapping", f"--mapping is not JSON: {error}") from error
    only_csv = [name for name, table in mapping.tables().items() if table.columns]
    only_csv += ["csv"] if mapping.csv else []
    if kind is not Format.CSV and only_csv:
        raise InputError(
            "InvalidMapping",
            f"--mapping: csv and columns apply to the format CSV, not to {kind}; remove them",
        )
    return mapping
