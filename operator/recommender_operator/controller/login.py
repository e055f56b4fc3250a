"""Kopf's connection to the API server, with fenced writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import aiohttp
import kopf

from recommender_operator.controller.kube import NotLeaderError

#: HTTP methods that change nothing; a watch is a GET.
READS = frozenset({"GET", "HEAD", "OPTIONS"})


class FencedError(aiohttp.ClientConnectionError):
    """A write that was not sent. Kopf handles it as a lost connection, and retries."""


def connect(fence: Callable[[], None], **kwargs: Any) -> kopf.AiohttpSession | None:
    """Return a session for the same cluster as `log_in`; None without a configuration.

    `fence` raises NotLeaderError if this process may not write. `kwargs` are those of a Kopf
    handler; Kopf calls it again if a token has expired.
    """
    inside = None if os.environ.get("KUBECONFIG") else kopf.login_with_service_account(**kwargs)
    found = inside or kopf.login_with_kubeconfig(**kwargs)
    if found is None:
        return None

    async def fenced(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if request.method not in READS:
            try:
                fence()
            except NotLeaderError as error:
                raise FencedError(str(error)) from error
        return await send(request)

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
        headers=found.as_http_headers(),
        proxy=found.proxy_url,
        trust_env=found.trust_env,
        middlewares=(fenced,),
    )
    return kopf.AiohttpSession(
        server=found.server,
        priority=found.priority,
        default_namespace=found.default_namespace,
        expiration=found.expiration,
        aiohttp_session=session,
    )
