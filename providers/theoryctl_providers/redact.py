"""Secrets taken out of whatever comes back from a vendor, split over chunks or not."""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from functools import lru_cache
from itertools import accumulate, takewhile
from typing import Any, NamedTuple, cast

from theoryctl_providers.contract import Delta, Event, Finish, Log, Request, ToolCallDelta, is_mock
from theoryctl_providers.contract.error_redactor import SHORTEST, ErrorRedactor, hidden_parts, replacements
from theoryctl_providers.contract.events import with_fields
from theoryctl_providers.contract.secret_forms import lowered

#: A text that comes in pieces: its choice, and the field of `Delta` it comes in, or the number of its tool call.
_Stream = tuple[int, int | str]
_PROSE = ("text", "reasoning", "refusal")

#: Variables that LiteLLM and vendors' SDKs read by themselves, whatever the manifest names.
_KEY_NAMES = ("_TOKEN", "_SECRET", "_KEY", "_ACCESS_KEY_ID", "_PASSWORD", "_CREDENTIALS")


def secrets_of(request: Request) -> dict[str, str]:
    """All that must not come back from a call: the config's secrets, and in real mode the keys in this environment."""
    if is_mock(request.mode or request.config.mode):
        return {}
    keys = {name: os.environ.get(name, "") for name in os.environ if name.endswith(_KEY_NAMES)}
    # What an env file holds besides is no key, mostly: `1` and `true` may stand in errors.
    hidden = {name: value for name, value in request.config.hidden.items() if len(value.strip()) >= SHORTEST}
    return {**keys, **hidden, **request.config.secrets}


class _Forms(NamedTuple):
    """Texts to look for anywhere, with their replacements, and the redactor of errors."""

    errors: ErrorRedactor
    secrets: dict[str, str]
    in_bytes: list[tuple[bytes, bytes]]
    starts: dict[str, list[str]]
    pattern: re.Pattern[str]
    longest: int


@lru_cache(maxsize=8)  # they cost a twentieth of a real call
def _forms(secrets: tuple[tuple[str, str], ...], addresses: bool) -> _Forms:
    found = list(hidden_parts(dict(secrets), addresses=addresses))
    anywhere = dict(replacements([(name, value) for name, value in found if len(value) >= SHORTEST]))
    # The longest comes first, and nothing at all is what no text holds.
    pattern = re.compile("|".join(map(re.escape, anywhere)) or "(?!)")
    longest = max(map(len, anywhere), default=0)
    in_bytes = [(form.encode(errors="surrogatepass"), name.encode()) for form, name in anywhere.items()]
    return _Forms(ErrorRedactor(found), anywhere, in_bytes, _by_first(anywhere), pattern, longest)


class Redactor:
    """Replaces each secret's value by `[NAME]` in text, and in streamed text across the borders of its chunks.

    A value counts in whatever case, and encoded, as in base64 after a user's name.
    With `addresses`, as for what is recorded, a URL counts as one even without a password in it.
    """

    def __init__(self, secrets: Mapping[str, str], *, addresses: bool = False) -> None:
        forms = _forms(tuple(secrets.items()), addresses)
        self._errors, self._secrets, self._starts = forms.errors, forms.secrets, forms.starts
        self._pattern, self._longest, self._in_bytes = forms.pattern, forms.longest, forms.in_bytes
        self._held: dict[_Stream, str] = {}
        #: How much of a text that is held has been let go before it, from its beginning.
        self._let_go: dict[_Stream, int] = {}

    def text(self, text: str) -> str:
        """`text` without any secret's value."""
        clean, at = [], 0
        for found in self._pattern.finditer(lowered(text)):
            clean += [text[at : found.start()], self._secrets[found[0]]]
            at = found.end()
        return "".join((*clean, text[at:])) if clean else text

    def error_text(self, text: str) -> str:
        """An error's text without any secret, or the beginning or end of one, as vendors quote a key they refuse."""
        return self._errors.text(text)

    def feed(self, event: Event) -> Iterator[Event]:
        """The event, clean; of a delta, only what cannot be the beginning of a secret."""
        if not self._secrets:
            yield event
        elif isinstance(event, Delta):
            yield from self._let_go_before(event)
            yield self._delta(event) if event.signature is None else self._whole(event)
        else:
            if isinstance(event, Finish):
                yield from self._release(event.choice)
            yield self._whole(event)

    def _whole(self, event: Event) -> Event:
        """An event that is not one of several pieces, clean in all of its fields."""
        if isinstance(event, Log):  # an error may be told in it, which quotes keys in part
            event = replace(event, message=self.error_text(event.message))
        return with_fields(event, self.value)

    def flush(self) -> Iterator[Event]:
        """Return the text that was held back and turned out to be no secret."""
        for choice in sorted({stream[0] for stream in self._held}):
            yield from self._release(choice)

    def _let_go_before(self, event: Delta) -> Iterator[Delta]:
        """Give what is held of other prose of a choice, which most likely ends here: words are to stay in their order.

        It stays held as well, and is known as the beginning of a secret should that go on. It is too short to be one.
        """
        stream = _stream_of(event)
        for other in [other for other in self._held if other[0] == stream[0] and other[1] in _PROSE]:
            held, gone = self._held[other], self._let_go.get(other, 0)
            if other != stream and gone < len(held) < SHORTEST:
                self._let_go[other] = len(held)
                yield _prose(event.choice, str(other[1]), held[gone:])

    def _delta(self, event: Delta) -> Delta:
        stream = _stream_of(event)
        text, gone = self._held.pop(stream, "") + _text(event), self._let_go.pop(stream, 0)
        cut = self._possible_start(text)
        if cut < len(text):
            self._held[stream] = text[cut:]
            self._let_go[stream] = max(0, gone - cut)
        return self._with_text(event, self._rest(text[:cut], gone))

    def _rest(self, text: str, gone: int) -> str:
        """Text without secrets, and without the beginning that was let go."""
        clean = self.text(text)
        same = takewhile(lambda pair: pair[0] == pair[1], zip(clean, text[:gone], strict=False))
        return clean[len(list(same)) :]

    def _release(self, choice: int) -> Iterator[Delta]:
        for stream in [stream for stream in self._held if stream[0] == choice]:
            held, part = self._rest(self._held.pop(stream), self._let_go.pop(stream, 0)), stream[1]
            if isinstance(part, int):
                yield Delta(choice, tool_call=ToolCallDelta(part, held))
            elif held:
                yield _prose(choice, part, held)

    def value(self, value: Any) -> Any:
        """A JSON value, bytes or an event without any secret's value in its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self._bytes(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return self._items(value)
        return with_fields(value, self.value) if is_dataclass(value) else value

    def _bytes(self, data: bytes) -> bytes:
        """Bytes without any secret's value. Most hold none: to look for one after the other is the fastest."""
        plain = data.lower()  # ASCII letters alone, as in texts
        for form, mark in self._in_bytes:
            if form in plain:
                data = mark.join(re.split(re.escape(form), data, flags=re.IGNORECASE))
        return data

    def _items(self, items: Sequence[Any]) -> list[Any]:
        """A list, clean; of tokens with log probabilities, also of a secret that is spread over several of them."""
        clean = [self.value(item) for item in items]
        if not all(isinstance(item, dict) and isinstance(item.get("token"), str) for item in items):
            return clean
        ends = list(accumulate(len(item["token"]) for item in items))
        for found in self._pattern.finditer(lowered("".join(item["token"] for item in items))):
            first, last = bisect_right(ends, found.start()), bisect_left(ends, found.end())
            for at in range(first, last + 1):
                mark = self._secrets[found[0]] if at == first else ""
                clean[at] = {"token": mark, "logprob": items[at].get("logprob"), "bytes": None, "top_logprobs": []}
        return clean

    def _with_text(self, delta: Delta, text: str) -> Delta:
        """A piece with this text, and all else clean that it says: names and ids come whole, and are not held back."""
        call = delta.tool_call
        if call is None:
            prose, empty = _prose_of(delta), cast(Any, None)
            return replace(with_fields(replace(delta, **{prose: empty}), self.value), **{prose: cast(Any, text)})
        whole = with_fields(replace(delta, tool_call=None), self.value)
        return replace(whole, tool_call=replace(with_fields(replace(call, arguments=""), self.value), arguments=text))

    def _possible_start(self, text: str) -> int:
        """Find the index from which the end of `text` could become a secret, or a longer one; else its length."""
        text = lowered(text)
        taken = [found.span() for found in self._pattern.finditer(text)]
        for at in range(max(0, len(text) - self._longest + 1), len(text)):
            begun = (value for value in self._starts.get(text[at], ()) if len(value) > len(text) - at)
            inside = any(start < at < end for start, end in taken)
            if not inside and any(value.startswith(text[at:]) for value in begun):
                return at
        return len(text)


def _by_first(values: Iterable[str]) -> dict[str, list[str]]:
    """Values by their first character: of hundreds, few begin where a text ends."""
    found: dict[str, list[str]] = {}
    for value in values:
        found.setdefault(value[0], []).append(value)
    return found


def _stream_of(delta: Delta) -> _Stream:
    return delta.choice, delta.tool_call.index if delta.tool_call else _prose_of(delta)


def _prose_of(delta: Delta) -> str:
    return next((name for name in _PROSE if getattr(delta, name)), "text")


def _prose(choice: int, field: str, text: str) -> Delta:
    if field == "text":
        return Delta(choice, text)
    return Delta(choice, reasoning=text) if field == "reasoning" else Delta(choice, refusal=text)


def _text(delta: Delta) -> str:
    return delta.tool_call.arguments if delta.tool_call else getattr(delta, _prose_of(delta)) or ""
