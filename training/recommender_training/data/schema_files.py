"""Declarations of data versions: `<lake>/declarations/<data version>.json`.

The digest of a data version covers the text of its declaration, so a file that is lost or changed
makes the version unreadable. The next check of the same data writes it again.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from recommender_training.common.durable_files import fsync_folder, replace_bytes
from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema

FOLDER = "declarations"


def write_schema(lake: Path, data_version: str, declaration: FeatureSchema) -> None:
    """Write the declaration of a data version; a reader sees all of it or nothing."""
    path = _path(lake, data_version)
    replace_bytes(path, declaration.text().encode())
    fsync_folder(path.parent)


def read_schema(lake: Path, data_version: str) -> FeatureSchema:
    """Return the declaration of a data version.

    Raises InputError `DataVersionMissing` if the file is missing, damaged or changed.
    """
    path = _path(lake, data_version)
    try:
        text = path.read_text(encoding="utf-8")
        declaration = FeatureSchema.parse(text)
    except (OSError, ValueError) as error:
        raise InputError(
            "DataVersionMissing",
            f"{path} cannot be read ({str(error)[:200]}), and without the declaration of its "
            f"features {data_version} has no columns: restore the file, or run `check` again",
        ) from error
    if declaration.text() != text:
        raise InputError(
            "DataVersionMissing",
            f"{path} is not as `check` wrote it: restore the file, or run `check` again",
        )
    return declaration


def last_schema(lake: Path) -> FeatureSchema | None:
    """Return the declaration written last, or None if there is none that can be read."""
    present = {path.stat().st_mtime_ns: path for path in (lake / FOLDER).glob("*.json")}
    if not present:
        return None
    try:
        return read_schema(lake, present[max(present)].stem)
    except InputError:  # the next one written takes its place
        return None


def forget_schemas(lake: Path, keep: Collection[str], before: float) -> int:
    """Remove the declarations of data versions other than `keep`; return their number.

    The last one written stays, and so do files written since `before`, in seconds since 1970: a
    training may read them. Unfinished files of killed writers go too.
    """
    present = [*(lake / FOLDER).glob("*.json"), *(lake / FOLDER).glob(".*")]
    times = {path: path.stat().st_mtime for path in present}
    newest = max(times.values(), default=0)
    gone = [
        path
        for path, time in sorted(times.items())
        if path.stem not in keep and time < min(before, newest)
    ]
    for path in gone:
        path.unlink()
    return len(gone)


def _path(lake: Path, data_version: str) -> Path:
    return lake / FOLDER / f"{data_version}.json"
