"""The manifests of docs/trust.md name the user of a token, whatever header a client sends."""

from __future__ import annotations

import json
import pathlib
import time
import urllib.error
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.envoy import served
from tests.envoy.served import Served

POLICIES = served.documents("users/envoy-gateway.yaml")
(PROVIDER,) = POLICIES[0]["spec"]["jwt"]["providers"]
(CLAIM,) = PROVIDER["claimToHeaders"]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A model whose Gateway has the keys of the issuer from the policy, not from its address."""
    public: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
    del PROVIDER["remoteJWKS"]
    PROVIDER["localJWKS"] = {"type": "Inline", "inline": json.dumps({"keys": [public]})}
    folder: pathlib.Path = tmp_path_factory.mktemp("envoy")
    with served.serving(folder, POLICIES) as found:
        yield found


def token(user: str, key: rsa.RSAPrivateKey = KEY, **claims: Any) -> str:
    """Return the Authorization of a user."""
    good = {"iss": PROVIDER["issuer"], "aud": PROVIDER["audiences"][0], "sub": user}
    return "Bearer " + jwt.encode(good | {"exp": time.time() + 600} | claims, key, "RS256")


def test_the_user_of_the_token_takes_the_place_of_the_header_of_a_client(model: Served) -> None:
    sent = {"Authorization": token("42"), CLAIM["header"]: "7"}
    assert model.ask(**sent)["headers"][CLAIM["header"]] == "42"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        token("42", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        token("42", aud="another"),
        token("42", iss="https://another"),
        token("42", exp=1),
    ],
    ids=["none", "of another key", "for others", "of another issuer", "expired"],
)
def test_without_a_valid_token_a_request_is_refused(model: Served, authorization: str) -> None:
    before = sum(map(model.count, served.NAMES))
    sent = {"Authorization": authorization} if authorization else {}
    with pytest.raises(urllib.error.HTTPError) as refused:
        model.ask(**{CLAIM["header"]: "42"}, **sent)
    with refused.value as answer:
        assert answer.code in {401, 403}
    assert sum(map(model.count, served.NAMES)) == before
