"""Routes for those who ask the pod itself, and what they share."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recommender_serving.artifact.published_report import PublishedReport

#: Headers that a proxy adds and a client behind it cannot remove. The metrics count requests by
#: segment of users, the report has the numbers of a training, and the ingress of Knative routes
#: every path.
PROXIED = ("x-forwarded-for", "forwarded", "via", "k-proxy-request")
#: No browser shows this as a page.
BYTES = "application/octet-stream"


def refuse_proxied(request: Request) -> None:
    """Hide a route from requests that a proxy passes on."""
    if any(name in request.headers for name in PROXIED):
        raise HTTPException(404)


def of_report(report: PublishedReport | None) -> list[Route]:
    """Return the route of the report and its manifest; none if there is no report.

    The path has the digest of the artifact, which is in the status of the version: so only who
    may read the version can read its report.
    """
    if report is None:
        return []

    async def answer(request: Request) -> Response:
        refuse_proxied(request)
        content = report.file(request.path_params["digest"], request.path_params["name"])
        if content is None:
            raise HTTPException(404)
        headers = {"x-content-type-options": "nosniff"}
        return Response(content, media_type=BYTES, headers=headers)

    return [Route("/artifacts/{digest}/{name}", answer)]
