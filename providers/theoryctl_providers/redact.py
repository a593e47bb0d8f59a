"""Secrets taken out of whatever comes back from a vendor, split over chunks or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from theoryctl_providers.contract import Delta, Event

#: Shorter values are no keys, and taking them out would shred ordinary text.
SHORTEST = 6


class Redactor:
    """Replaces each secret's value by `[NAME]` in text, and in streamed text across the borders of its chunks."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        # Longest first: one secret may contain another.
        values = sorted(secrets.items(), key=lambda item: (-len(item[1]), item[0]))
        self._secrets = [(value, f"[{name}]") for name, value in values if len(value) >= SHORTEST]
        self._held: dict[tuple[int, int | None], Delta] = {}

    def text(self, text: str) -> str:
        """`text` without any secret's value."""
        for value, name in self._secrets:
            text = text.replace(value, name)
        return text

    def feed(self, event: Event) -> Iterator[Event]:
        """The event, clean; of a text delta, only what cannot be the beginning of a secret."""
        if not self._secrets:
            yield event
            return
        if not isinstance(event, Delta):
            yield from self.flush()
            yield event
            return
        held = self._held.pop(_stream_of(event), None)
        text = self.text((_text(held) if held else "") + _text(event))
        keep = self._possible_start(text)
        if keep:
            self._held[_stream_of(event)] = _with_text(event, text[-keep:])
        yield _with_text(event, text[: len(text) - keep])

    def flush(self) -> Iterator[Event]:
        """What was held back and turned out to be no secret."""
        held, self._held = self._held, {}
        yield from held.values()

    def _possible_start(self, text: str) -> int:
        """How many characters at the end of `text` could be the beginning of a secret."""
        longest = max(len(value) for value, _ in self._secrets) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(value.startswith(text[-size:]) for value, _ in self._secrets):
                return size
        return 0


def _stream_of(delta: Delta) -> tuple[int, int | None]:
    return delta.choice, delta.tool_call.index if delta.tool_call else None


def _text(delta: Delta) -> str:
    return delta.tool_call.arguments if delta.tool_call else delta.text or ""


def _with_text(delta: Delta, text: str) -> Delta:
    if delta.tool_call:
        return replace(delta, tool_call=replace(delta.tool_call, arguments=text))
    return replace(delta, text=text)
