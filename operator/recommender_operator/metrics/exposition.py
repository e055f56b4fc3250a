"""The page of metrics: the library's, with the lines of the models as they were rendered before.

The metrics of 1,000 models are some ten thousand lines. The library renders all of them again at
each scrape, and compresses them at its slowest level, which takes most of a second.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import choose_encoder, gzip_accepted

from recommender_operator.metrics.model_gauges import ModelGauges

#: A level above takes more CPU, and hardly fewer bytes.
FASTEST = 1
#: The end of a page in the OpenMetrics format.
END = b"# EOF\n"

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def page(others: CollectorRegistry, models: ModelGauges, accept: str) -> tuple[bytes, str]:
    """Return a page in the format that a scraper accepts, and its content type."""
    encoder, kind = choose_encoder(accept)
    text = encoder(others)
    body = text.removesuffix(END)
    return body + models.text().encode() + text[len(body) :], kind


def app(others: CollectorRegistry, models: ModelGauges) -> App:
    """Return the WSGI app for scrapes; queries of single metrics find those of models no more than
    the library does.
    """
    library: App = make_wsgi_app(others)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET" or environ.get("QUERY_STRING"):
            return library(environ, start)
        body, kind = page(others, models, environ.get("HTTP_ACCEPT") or "")
        headers = [("Content-Type", kind)]
        if gzip_accepted(environ.get("HTTP_ACCEPT_ENCODING") or ""):
            body = gzip.compress(body, FASTEST)
            headers.append(("Content-Encoding", "gzip"))
        start("200 OK", headers)
        return [body]

    return answer
