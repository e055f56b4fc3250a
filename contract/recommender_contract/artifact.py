"""Files of an artifact, which training writes and transformers and people read."""

from __future__ import annotations

#: The digests of all other files; its own digest is the identity of the artifact.
MANIFEST = "manifest.json"
#: Features, and the ids of the items in the order of the models.
VOCABULARY = "vocabulary.json"
#: Texts of the items, if item ids are texts.
ITEM_IDS = "item_ids.json"
#: What the features were in the training window, by bin.
REFERENCE = "reference.json"
#: The list that answers if no model does, and those of segments of users.
POPULARITY = "popularity.json"
#: The whole evaluation, and a page of it for people.
REPORT, REPORT_PAGE = "report.json", "report.html"
#: Bytes of the manifest and of the page, as a transformer gives them: real ones have 4 and 40 KB,
#: and both stay in memory.
MAX_PUBLISHED_BYTES = 2 * 1024 * 1024
