"""The ref that counts where none was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from theoryctl.instances.records import all_instances
from theoryctl.refs import ProviderRef
from theoryctl.settings import Settings

if TYPE_CHECKING:
    from theoryctl.manifests.catalog import Catalog

#: The ref of the provider that comes with theoryctl.
BUNDLED = "llm/litellm@1"


class DefaultRef(NamedTuple):
    """A ref as text, and the reason for it in words."""

    ref: str
    reason: str


def default_ref(*, guess: bool = True, catalog: Catalog | None = None) -> DefaultRef | None:
    """The ref of THEORYCTL_REF or of the configuration; else, with `guess`, of the one started instance, else the
    bundled one.

    With a catalog the manifest is needed, and an instance that was started elsewhere, from manifests that are not seen
    from here, does not count. Raises UsageError for a configuration that is not what it must be.
    """
    if found := Settings().value("ref"):
        return DefaultRef(found.text, f"as {found.source} says")
    if not guess:
        return None
    started = {instance.ref for instance in all_instances()}
    if len(started) == 1 and (catalog is None or catalog.has(ProviderRef.parse(*started))):
        return DefaultRef(started.pop(), "the one that is started")
    return DefaultRef(BUNDLED, "the default")
