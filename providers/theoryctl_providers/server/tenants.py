"""Find the tenant of a token."""

from __future__ import annotations

from hmac import compare_digest

from theoryctl_providers.wires.tenant import Tenant


class Tenants:
    """The tenants of one server: the time of a look-up tells of their tokens no more than how long they are.

    Other threads may add and remove them while requests come.
    """

    def __init__(self) -> None:
        self._by_token: dict[bytes, Tenant] = {}

    def add(self, token: str, tenant: Tenant) -> None:
        """Let in who brings the token."""
        self._by_token[token.encode()] = tenant

    def remove(self, token: str) -> None:
        """Let nobody in with the token any more."""
        self._by_token.pop(token.encode(), None)

    def of(self, credential: bytes) -> Tenant | None:
        """Return the tenant whose token it is; None for nobody's."""
        for token, tenant in list(self._by_token.items()):
            if compare_digest(token, credential):
                return tenant
        return None
