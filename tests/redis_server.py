"""A real Redis for the tests: Debian's binaries, unpacked into the cache, never installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "recommender-operator"
PACKAGES = (
    "redis-server", "redis-tools", "libhiredis0.14", "libjemalloc2", "liblua5.1-0", "liblzf1",
    "lua-bitop", "lua-cjson",
)  # fmt: skip
REMEDY = (
    "no Redis: put `redis-server` on PATH, or let `apt-get download redis-server` reach a Debian "
    "mirror (`apt-get update` first)"
)
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


def binary(name: str = "redis-server") -> Path:
    """Return a binary: the one on PATH, else Debian's, fetched once."""
    found = shutil.which(name)
    if found:
        return Path(found)
    folder = CACHE / "redis"
    if not folder.exists():
        _unpack(folder)
    return folder / "usr" / "bin" / name


def _unpack(folder: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        # As root, apt-get drops its rights for the download where the folder allows it.
        Path(scratch).chmod(0o777)
        try:
            _run(["apt-get", "download", *PACKAGES], scratch)
            for package in Path(scratch).glob("*.deb"):
                _run(["dpkg-deb", "-x", str(package), "root"], scratch)
        except (OSError, subprocess.CalledProcessError) as error:
            shown = getattr(error, "stderr", "") or error
            raise RuntimeError(f"{REMEDY}; {shown}") from error
        with contextlib.suppress(OSError):  # Another run fetched it first.
            (Path(scratch) / "root").rename(folder)


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300)


def environment() -> dict[str, str]:
    """Return the environment in which the unpacked binaries find their libraries."""
    libraries = [str(path) for path in (CACHE / "redis" / "usr" / "lib").glob("*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {**os.environ}


class RedisServer:
    """A server on a free port of 127.0.0.1 that can be killed and started again."""

    def __init__(
        self, folder: Path, *options: str, userinfo: str = "", authorities: Path | None = None
    ) -> None:
        """Prepare it; `userinfo` is USER:PASSWORD@ of its URL.

        With `authorities`, a file of certificates, its options must have a certificate of theirs
        for localhost; it then listens with TLS alone.
        """
        self.port = free_port()
        self._userinfo = userinfo
        self._authorities = authorities
        self._folder = folder
        self._options = options or DURABLE
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "redis.log"

    @property
    def url(self) -> str:
        if self._authorities is not None:
            return f"rediss://{self._userinfo}localhost:{self.port}/0"
        return f"redis://{self._userinfo}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        port = ["--port", str(self.port)]
        if self._authorities is not None:
            port = ["--port", "0", "--tls-port", str(self.port)]
        command = [
            str(binary()), *port, "--bind", "127.0.0.1",
            "--dir", str(self._folder), "--daemonize", "no", *self._options,
        ]  # fmt: skip
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, env=environment())
        deadline = time.monotonic() + 120  # it reads a file of all events first
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), self._connected() as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith((b"+PONG", b"-NOAUTH")):
                    return
            time.sleep(0.02)
        raise RuntimeError(f"Redis does not start; its log ends:\n{self._log.read_text()[-2000:]}")

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        if self._authorities is None:
            return connection
        context = ssl.create_default_context(cafile=str(self._authorities))
        return context.wrap_socket(connection, server_hostname="localhost")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as Kubernetes does."""
        self._end(signal.SIGTERM)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it hang in the block: its port is open, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a server whose data and log are in `folder`; durable without other options."""
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
