"""Requests to the API server without retries, and its error messages."""

from __future__ import annotations

import base64
import json
import pathlib
import ssl
import urllib.error
import urllib.request
from typing import Any

import yaml

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
SECONDS = 30.0


class Requests:
    """The API server for the account of a kubeconfig."""

    def __init__(self, config: pathlib.Path) -> None:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
        (cluster,), (user,) = content["clusters"], content["users"]
        authority = base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode()
        self._url = str(cluster["cluster"]["server"])
        self._token = str(user["user"]["token"])
        self._context = ssl.create_default_context(cadata=authority)

    def send(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, str]:
        """Return the HTTP status and the body."""
        request = urllib.request.Request(
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": content_type},
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS, context=self._context) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def shown(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> str:
        """Return the message of a denied request; empty if it was allowed."""
        status, text = self.send(method, path, body, content_type)
        return "" if status < 300 else str(json.loads(text).get("message", text))
