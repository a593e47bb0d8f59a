"""Credentials of Google's for tests (google.oauth2.service_account), with a key that opens nothing."""

from __future__ import annotations

import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def service_account(token_uri: str, name: str) -> str:
    """The JSON of a service account that asks for its tokens at this address."""
    named = {"type": "service_account", "project_id": "p", "client_email": f"{name}@p.iam", "client_id": "1"}
    return json.dumps({**named, "private_key_id": "1", "private_key": _key(), "token_uri": token_uri})


@cache
def _key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
