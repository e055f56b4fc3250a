"""The assembly of the notifications from the settings."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import aiohttp

from recommender_operator.adapters.notifications.dispatcher import Result, Tools
from recommender_operator.adapters.notifications.http_post import HttpPoster
from recommender_operator.adapters.notifications.notifier import Notifier
from recommender_operator.adapters.notifications.sent_log import SentLog
from recommender_operator.controller.kube import Kube
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.process.settings import Settings


def session() -> aiohttp.ClientSession:
    """Return a session for `notifier`, which the caller closes."""
    return HttpPoster.session()


def notifier(
    settings: Settings,
    kube: Kube,
    session: aiohttp.ClientSession,
    metrics: Metrics,
    now: Callable[[], datetime.datetime],
) -> Notifier:
    """Return the notifier; `session` is one of those above."""
    folder, hosts = Path(settings.notifications_dir), settings.notification_hosts
    tools = Tools(
        poster=HttpPoster(session, folder, hosts),
        record=SentLog(kube, now),
        console=settings.console_url,
        count=metrics.notified,
        now=now,
    )
    for receiver in settings.notifications:
        for result in Result:
            # From 0 on, so that the first failure is an increase.
            metrics.notifications.labels(receiver=receiver.name, result=result)
    return Notifier(settings.notifications, tools)
