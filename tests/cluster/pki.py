"""Certificates and kubeconfig files, created with the openssl command.

One authority signs everything; each cluster has a new one, deleted with the cluster.
"""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.cluster.errors import ClusterError

DAYS = "365"
EXTENSIONS = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"


class Authority:
    """The files of one certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"

    def prepare(self) -> None:
        """Create the authority and the key that signs service account tokens, once."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.certificate.exists():
            new_key(self.key)
            _openssl(
                "req", "-x509", "-new", "-sha256", "-days", DAYS, "-key", str(self.key),
                "-subj", "/CN=recommender-cluster", "-out", str(self.certificate),
                "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
            )  # fmt: skip
        if not self.service_account_key.exists():
            new_key(self.service_account_key)

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-account.key"

    def issue(
        self, name: str, user: str, group: str = "", hosts: Sequence[str] = ()
    ) -> tuple[Path, Path]:
        """Certificate and key for `user` in `group`, valid as a server for `hosts`."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if certificate.exists():
            return certificate, key
        new_key(key)
        subject = (f"/O={group}" if group else "") + f"/CN={user}"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(EXTENSIONS + subject_alternative_names(hosts))
        _openssl("req", "-new", "-key", str(key), "-subj", subject, "-out", str(request))
        unfinished = certificate.with_suffix(".part")
        _openssl(
            "x509", "-req", "-sha256", "-days", DAYS, "-in", str(request),
            "-CA", str(self.certificate), "-CAkey", str(self.key),
            "-extfile", str(extensions), "-out", str(unfinished),
        )  # fmt: skip
        request.unlink()
        extensions.unlink()
        unfinished.rename(certificate)
        return certificate, key

    def kubeconfig(self, path: Path, server: str, user: str, group: str = "") -> Path:
        """A kubeconfig with an embedded client certificate."""
        if path.exists():
            return path
        certificate, key = self.issue(f"client-{path.stem}", user, group)
        text = render_kubeconfig(
            server, self.certificate.read_bytes(), certificate.read_bytes(), key.read_bytes()
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return path


def subject_alternative_names(hosts: Sequence[str]) -> str:
    """One openssl extension line of IP addresses and DNS names."""
    if not hosts:
        return ""
    entries = [("IP:" if host[0].isdigit() else "DNS:") + host for host in hosts]
    return f"subjectAltName={','.join(entries)}\n"


def render_kubeconfig(server: str, authority: bytes, certificate: bytes, key: bytes) -> str:
    """The kubeconfig's text."""

    def encoded(value: bytes) -> str:
        return base64.b64encode(value).decode()

    name = "recommender-local"
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [
                {
                    "name": name,
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": encoded(authority),
                    },
                }
            ],
            "users": [
                {
                    "name": name,
                    "user": {
                        "client-certificate-data": encoded(certificate),
                        "client-key-data": encoded(key),
                    },
                }
            ],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }
    )


def new_key(path: Path) -> None:
    """An elliptic curve key that only its owner can read."""
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path))
    path.chmod(0o600)


def _openssl(*arguments: str) -> None:
    result = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ClusterError("certificates", f"openssl {arguments[0]}: {result.stderr.strip()}")
