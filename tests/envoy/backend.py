"""A server that tells what it got: python -m tests.envoy.backend PORT NAME."""

from __future__ import annotations

import asyncio
import json
import sys

#: Requests without an answer yet or with one; `GET /count` is none.
_COUNTED = 0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
    """Answer the requests of a connection with the server's name and their headers."""
    global _COUNTED
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            first, *lines = head.decode().strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            await reader.readexactly(int(headers.get("content-length", "0")))
            _COUNTED += not first.startswith("GET /count ")
            body = json.dumps({"name": name, "headers": headers, "count": _COUNTED}).encode()
            length = f"content-length: {len(body)}".encode()
            writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n" + body)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(port: int, name: str) -> None:
    server = await asyncio.start_server(lambda r, w: answer(r, w, name), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
