"""What a release can read, as JSON Schemas: of the reports by kind, of the artifact by file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from recommender_contract.artifact import ITEM_IDS, MANIFEST, POPULARITY, REFERENCE, VOCABULARY
from recommender_operator.api import report
from recommender_serving.artifact.file_schemas import ItemIdsFile, ManifestFile
from recommender_serving.artifact.popularity_file import PopularityFile
from recommender_serving.artifact.reference_file import ReferenceFile
from recommender_serving.artifact.vocabulary_file import VocabularyFile

REPORTS: dict[str, type[report._Report]] = {
    "check": report.CheckReport,
    "snapshot": report.SnapshotReport,
    "train": report.TrainReport,
    "recalibrate": report.RecalibrateReport,
    "publish": report.PublishReport,
}
FILES: dict[str, type[BaseModel]] = {
    MANIFEST: ManifestFile,
    VOCABULARY: VocabularyFile,
    REFERENCE: ReferenceFile,
    POPULARITY: PopularityFile,
    ITEM_IDS: ItemIdsFile,
}


def schemas() -> dict[str, Any]:
    """Return the schema of each model, without its words."""
    return {
        name: _plain(model.model_json_schema()) for name, model in {**REPORTS, **FILES}.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        words = ("description", "title")
        return {
            key: _plain(each)
            for key, each in value.items()
            if not (key in words and isinstance(each, str))
        }
    return [_plain(each) for each in value] if isinstance(value, list) else value
