"""Parts of a provider beside its stream, as the engine uses them: what fails there is the class's fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theoryctl_providers.blame import blamed, shown
from theoryctl_providers.contract import Mode
from theoryctl_providers.contract.answer import is_unicode
from theoryctl_providers.engine.event_rules import broke
from theoryctl_providers.protocol import LLMProvider


def loads_of(provider: LLMProvider) -> str:
    """Return what the provider loads when that takes seconds; empty when it does not."""
    with blamed(provider, "loads"):
        return provider.loads


def is_prepared(provider: LLMProvider, mode: Mode) -> bool:
    """Return whether the provider would be prepared at once."""
    with blamed(provider, "is_prepared"):
        return provider.is_prepared(mode)


def texts_of(provider: LLMProvider, notes: Any) -> list[str]:
    """Return what `notes` gave. Raises ProviderError `ERR_PROVIDER` for anything but texts."""
    are_texts = isinstance(notes, Sequence) and not isinstance(notes, str)
    if are_texts and all(isinstance(note, str) and is_unicode(note) for note in notes):
        return list(notes)
    raise broke(provider, f"returned {shown(notes)} from notes", "a tuple or list of texts")
