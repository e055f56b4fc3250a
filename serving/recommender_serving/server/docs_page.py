"""The description of an endpoint as a page for people, from its OpenAPI description: pure.

One page without scripts or anything from elsewhere, so that it also works where a cluster has no
way out.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:.75rem;overflow:auto}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.25rem .5rem;text-align:left;vertical-align:top}"
)


def page(document: Mapping[str, Any]) -> str:
    """Return the page of a description."""
    info = document["info"]
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            f"<title>{_text(info['title'])}</title><style>{STYLE}</style>",
            f"<h1>{_text(info['title'])}</h1><p>Version <code>{_text(info['version'])}</code>. ",
            f"{_text(info['description'])} Programs read "
            '<a href="openapi.json"><code>openapi.json</code></a>.</p>',
            *_operations(document["paths"]),
            "<h2>Fields of an instance</h2>",
            *_fields(document["components"]["schemas"]["Instance"]["properties"]),
            "</html>",
        ]
    )


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {_text(path)}</code></h2>"
            yield f"<p>{_text(operation['summary'])}.</p>"
            body = operation.get("requestBody")
            if body is None:
                continue
            for name, example in body["content"]["application/json"]["examples"].items():
                text = json.dumps(example["value"], ensure_ascii=False)
                yield f"<p>{_text(name)}</p><pre>{_text(_curl(path, text))}</pre>"
            yield "<table><tr><th>status<th>meaning"
            for status, response in operation["responses"].items():
                yield f"<tr><td>{status}<td>{_text(response['description'])}"
            yield "</table>"


def _curl(path: str, body: str) -> str:
    quoted = body.replace("'", "'\\''")
    return f"curl -s $HOST{path} -H 'content-type: application/json' -d '{quoted}'"


def _fields(properties: Mapping[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>field<th>meaning<th>schema"
    for name, schema in properties.items():
        rest = {key: value for key, value in schema.items() if key != "description"}
        text = json.dumps(rest, ensure_ascii=False)
        yield f"<tr><td><code>{_text(name)}</code><td>{_text(schema.get('description', ''))}"
        yield f"<td><code>{_text(text)}</code>"
    yield "</table>"


def _text(value: str) -> str:
    return html.escape(value)
