"""A server of HTTP that gives prepared answers."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any


class Server:
    """Gives the prepared answers in order, and records the requests."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        self.requests: list[tuple[str, str, str, Any]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                kind = self.headers.get("Content-Type", "")
                outer.requests.append((self.command, self.path, kind, body))
                status, content, headers = outer.answers.pop(0)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def says(self, status: int, content: Any = None, **headers: str) -> None:
        self.answers.append((status, {} if content is None else content, headers))

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def failure(status: int, reason: str, message: str = "because") -> dict[str, Any]:
    return {"kind": "Status", "code": status, "reason": reason, "message": message}
