"""The proof, in an answer to `GET /healthz`, that a server holds the token of its start."""

from __future__ import annotations

#: Random hexadecimal digits of a nonce. With another number of them, one port's proof could be another one's.
NONCE_LENGTH = 32

_CONTEXT = b"theoryctl-healthz-v1"


def healthz_proof(token: str, nonce: str, port: int) -> str:
    """Return HMAC-SHA256 in hexadecimal, keyed with `token`, of the context, `nonce` and `port` in decimal.

    `port` is the one that the server itself listens on: whoever passes the nonce on to a server on another port gets a
    proof that is worth nothing. The answer says it as well, for callers of a public address, who cannot know it.
    """
    import hmac

    return hmac.new(token.encode(), _CONTEXT + nonce.encode() + str(port).encode(), "sha256").hexdigest()
