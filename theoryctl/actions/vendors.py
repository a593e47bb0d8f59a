"""The host's door to the table of vendors, which lies with the provider that calls them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from theoryctl_providers.contract import TOKEN_PREFIX

if TYPE_CHECKING:
    from theoryctl_providers.litellm.vendor import Vendor as Vendor


def vendors() -> tuple[Vendor, ...]:
    """Every vendor that real mode knows."""
    from theoryctl_providers.litellm.vendors import VENDORS

    return VENDORS


def prefixes() -> frozenset[str]:
    """The names of vendors, as they stand before the slash of a model."""
    from theoryctl_providers.litellm.vendors import prefixes

    return prefixes()


def check_address(variable: str, text: str, vendor: Vendor) -> str:
    """Return the address in a variable as calls use it. Raises ProviderError `ERR_USAGE` where it is none."""
    from theoryctl_providers.litellm.addresses import read_address

    return read_address(variable, text, vendor)


def is_ready(vendor: Vendor) -> bool:
    """Return whether all that a vendor needs is set in this environment."""
    return not list(missing(vendor))


def is_led(vendor: Vendor) -> bool:
    """Return whether a variable of a vendor holds the token of an instance, to which its clients are led."""
    return any(os.environ.get(name, "").startswith(TOKEN_PREFIX) for name in vendor.variables)


def missing(vendor: Vendor) -> Iterator[tuple[str, ...]]:
    """The variables that are missing for each need of a vendor that is not met: of the set that was begun, if one was,
    else of the first."""
    for sets in vendor.needs:
        left = [tuple(name for name in names if not _is_set(name)) for names in sets]
        if all(left):
            yield next((rest for names, rest in zip(sets, left, strict=True) if len(rest) < len(names)), left[0])


def _is_set(variable: str) -> bool:
    """Return whether a variable has a value of its own: the token of a started instance is no vendor's key."""
    value = os.environ.get(variable, "").strip()
    return bool(value) and not value.startswith(TOKEN_PREFIX)
