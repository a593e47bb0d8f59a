"""The ref that counts where none was typed."""

from __future__ import annotations

from typing import NamedTuple

from theoryctl.instances.records import all_instances
from theoryctl.settings import Settings

#: The ref of the provider that comes with theoryctl.
BUNDLED = "llm/litellm@1"


class DefaultRef(NamedTuple):
    """A ref as text, and the reason for it in words."""

    ref: str
    reason: str


def default_ref(*, guess: bool = True) -> DefaultRef | None:
    """The ref of THEORYCTL_REF or of the configuration; else, with `guess`, of the one started instance, else the
    bundled one.

    Raises UsageError for a configuration that is not what it must be.
    """
    if found := Settings().value("ref"):
        return DefaultRef(found.text, f"as {found.source} says")
    if not guess:
        return None
    started = {instance.ref for instance in all_instances()}
    if len(started) == 1:
        return DefaultRef(started.pop(), "the one that is started")
    return DefaultRef(BUNDLED, "the default")
