"""Find the tenant of a token."""

from __future__ import annotations

from hashlib import sha256

from theoryctl_providers.wires.tenant import Tenant


class Tenants:
    """The tenants of one server, by the digests of their tokens: the time of a look-up tells nothing of a token.

    Other threads may add and remove them while requests come.
    """

    def __init__(self) -> None:
        self._by_digest: dict[bytes, Tenant] = {}

    def add(self, token: str, tenant: Tenant) -> None:
        """Let in who brings the token."""
        self._by_digest[_digest(token.encode())] = tenant

    def remove(self, token: str) -> None:
        """Let nobody in with the token any more."""
        self._by_digest.pop(_digest(token.encode()), None)

    def of(self, credential: bytes) -> Tenant | None:
        """Return the tenant whose token it is; None for nobody's."""
        return self._by_digest.get(_digest(credential))


def _digest(token: bytes) -> bytes:
    return sha256(token).digest()
