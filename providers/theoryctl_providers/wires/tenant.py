"""The tenants of a server: what belongs to one of its tokens, and to nobody who has another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.types import Scope

from theoryctl_providers.asgi.hints import RESTARTED
from theoryctl_providers.asgi.journal import Journal
from theoryctl_providers.contract import ProviderConfig

#: Where the gate leaves the tenant whose token a request brought.
_TENANT = "theoryctl.tenant"

_Kept = TypeVar("_Kept")


@dataclass(slots=True, eq=False)
class Tenant:
    """One token's configuration, with its script, recordings and tape, the journal of its requests, and what wires
    remember of these.

    `renewal` ends the hint to set a secret: it says when one that is set is there.
    """

    config: ProviderConfig
    journal: Journal = field(default_factory=Journal)
    renewal: str = RESTARTED
    _kept: dict[tuple[str, Callable[[], Any]], Any] = field(default_factory=dict)

    def kept(self, dialect: str, make: Callable[[], _Kept]) -> _Kept:
        """Return what a dialect, by its name, remembers for this tenant; `make`, a class, makes it for the first
        request that asks."""
        key = dialect, make
        if key not in self._kept:
            self._kept[key] = make()
        found: _Kept = self._kept[key]
        return found


def admit_tenant(scope: Scope, tenant: Tenant) -> None:
    """Note who asks."""
    scope[_TENANT] = tenant


def tenant_of(scope: Scope) -> Tenant:
    """Return who asks: the gate let nobody in without a token, on a path that wants one."""
    tenant: Tenant = scope[_TENANT]
    return tenant


def kept_for(scope: Scope, own: Tenant, dialect: str, make: Callable[[], _Kept]) -> _Kept:
    """Return what a dialect remembers for who asks; for who has no token, what it does for `own`."""
    return (asking_tenant(scope) or own).kept(dialect, make)


def asking_tenant(scope: Scope) -> Tenant | None:
    """Return who asks; None on a path that is open to all, and for who has no token."""
    return scope.get(_TENANT)
