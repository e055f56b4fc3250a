"""Metrics of a transformer that the operator reads."""

from __future__ import annotations

#: Counters by outcome, source and reason, and of sessions.
REQUESTS = "recommender_requests_total"
ANSWERS = "recommender_answers_total"
FALLBACKS = "recommender_fallbacks_total"
SESSIONS = "recommender_sessions_total"
#: A histogram, its buckets, and when the process started to count, in seconds since 1970: it
#: reveals a restart even if the new counters exceed the old ones.
DURATION = "recommender_request_duration_seconds"
DURATION_BUCKET = f"{DURATION}_bucket"
CREATED = f"{DURATION}_created"
#: Served sessions by feature and bin.
FEATURES = "recommender_feature_values_total"
#: Constants of the version, equal in every pod.
REFERENCE = "recommender_reference_sessions"
DESIGN_EFFECT = "recommender_reference_design_effect"
MISSING_DESIGN_EFFECT = "recommender_reference_missing_design_effect"
#: Start of the names of counters of copies, which are otherwise those of users' requests.
COPIES = "recommender_shadow_"
