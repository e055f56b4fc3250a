"""Durability of what the brokers of Kafka acknowledge."""

from __future__ import annotations

from collections.abc import Mapping

REMEDY = "or, if it is durable by other means, RECOMMENDER_KAFKA_DURABLE=true"


def topic_fault(topic: str, settings: Mapping[str, str | None], replicas: int) -> str | None:
    """Return the fault of the settings of a topic and the remedy, or None.

    Brokers acknowledge what is in the memory of all replicas in sync, and sync to disk later. So
    a message is safe only if two or more of them must have it.
    """
    if settings.get("cleanup.policy") != "delete":
        said = settings.get("cleanup.policy")
        return f"{topic} has cleanup.policy {said!r}, which removes events: set `delete`"
    least = int(settings.get("min.insync.replicas") or 1)
    if replicas < 2 or least < 2:
        return (
            f"{topic} has {replicas} replicas and min.insync.replicas {least}, so it loses "
            f"acknowledged events with one broker: set 3 and 2, {REMEDY}"
        )
    if settings.get("unclean.leader.election.enable") == "true":
        return f"{topic} has unclean.leader.election.enable: set `false`, {REMEDY}"
    return None
