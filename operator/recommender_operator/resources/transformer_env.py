"""Environment variables of a version's transformer."""

from __future__ import annotations

from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options


def variables(model: ModelObject, version: VersionObject, options: Options) -> list[Manifest]:
    """Return the variables; those of the installation only where they differ from the defaults."""
    values = {
        "RECOMMENDER_MODEL": model.name,
        "RECOMMENDER_VERSION": version.name,
        "RECOMMENDER_TIMEOUT_MS": str(model.spec.serving.timeout_milliseconds),
        **_logs(options),
        **_traces(options),
        **_store(model, options),
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _logs(options: Options) -> dict[str, str]:
    values = {
        "RECOMMENDER_LOG_LEVEL": (options.serving_log_level, "INFO"),
        "RECOMMENDER_LOG_FORMAT": (options.serving_log_format, "json"),
        "RECOMMENDER_LOG_USER_SALT": (options.serving_log_user_salt, ""),
    }
    return {name: value for name, (value, default) in values.items() if value != default}


def _traces(options: Options) -> dict[str, str]:
    if not options.tracing_endpoint:
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": options.tracing_endpoint,
        "OTEL_TRACES_SAMPLER_ARG": str(options.tracing_ratio),
    }


def _store(model: ModelObject, options: Options) -> dict[str, str]:
    """Return the variables of the store, which knows the models of one namespace by name."""
    if not options.store_url or model.namespace != options.store_namespace:
        return {}
    return {
        "RECOMMENDER_STORE_URL": options.store_url,
        "RECOMMENDER_HIDE": ",".join(model.spec.serving.hide),
    }
