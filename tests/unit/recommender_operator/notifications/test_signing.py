"""Signatures of webhooks, against the reference of Standard Webhooks."""

from __future__ import annotations

import base64

import pytest

from recommender_operator.notifications import signing
from recommender_operator.notifications.signing import InvalidKeyError


def test_the_signature_is_that_of_the_specifications_example() -> None:
    key = signing.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    found = signing.headers(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert found == {"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}


@pytest.mark.parametrize("length", [0, 23, 65])
def test_a_key_of_the_wrong_length_is_refused_without_a_word_of_it(length: int) -> None:
    text = "whsec_" + base64.b64encode(b"k" * length).decode()
    with pytest.raises(InvalidKeyError) as refused:
        signing.key_of(text)
    assert "a2tr" not in str(refused.value)


def test_what_is_no_base64_is_no_key() -> None:
    with pytest.raises(InvalidKeyError):
        signing.key_of("my password, which is long enough")
