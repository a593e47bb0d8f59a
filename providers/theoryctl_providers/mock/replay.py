"""Exchanges on their way into a recording, and out of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from theoryctl_providers.contract import (
    Event,
    Log,
    ProviderError,
    Recording,
    Recordings,
    Remedy,
    ResolvedRequest,
    Tape,
    dumps,
)
from theoryctl_providers.inputs.normalize import CALLER
from theoryctl_providers.mock.ignoring import ignoring_of
from theoryctl_providers.mock.provider import inputs_as_json
from theoryctl_providers.redact import Redactor, secrets_of

#: Inputs that say who asks: an exchange is the same without them, and is recorded without them.
ACCOUNT = frozenset({"api_key", "extra_headers", "headers", "organization", "project"})
_LEFT_OUT = ACCOUNT | CALLER

#: How much of a difference is shown: lines, and characters of one.
_LINES, _WIDTH = 40, 160

#: What is said where no line differs.
_UNSEEN = "in what is not shown: a text in [brackets] was a secret's value when it was recorded, or the file was edited"


def key_of(request: ResolvedRequest) -> str:
    """The digest that names the exchange of a resolved request, by its operation and inputs.

    The mode and whether it is streamed are not in it, nor is who asks; an attachment counts by its name and digest.
    """
    return Recording.key_for(request.operation, _asked(request))


async def recorded(events: AsyncGenerator[Event], request: ResolvedRequest, tape: Tape) -> AsyncGenerator[Event]:
    """The events of a real call; once they have all come, the exchange is on the tape. A failed call is not."""
    # Now, not at the end: a provider's libraries may write into what they are given.
    begun = Recording(
        key=key_of(request),
        operation=request.operation,
        model=request.model,
        inputs=Redactor(secrets_of(request), addresses=True).value(_asked(request)),
        events=(),
    )
    kept = []
    async for event in events:
        if not isinstance(event, Log):
            kept.append(event)
        yield event
    recording = tape.add(replace(begun, events=tuple(kept)))
    if request.config.replay is not None:
        request.config.replay.add_answer(recording)


async def replayed(recording: Recording) -> AsyncGenerator[Event]:
    """The events that were recorded."""
    for event in recording.events:
        yield event


def find_recording(recordings: Recordings, request: ResolvedRequest) -> Recording:
    """The recording of the request; of several, the one after that which was found before, and the last again.

    Raises ProviderError `ERR_REPLAY_MISS` with the difference to the nearest recording.
    """
    for key in _keys_of(request, recordings):
        if (recording := recordings.take(key)) is not None:
            return recording
    raise _miss(recordings, request)


def is_recorded(recordings: Recordings, request: ResolvedRequest) -> bool:
    """Return whether there is a recording of the request."""
    return any(key in recordings for key in _keys_of(request, recordings))


def _keys_of(request: ResolvedRequest, recordings: Recordings) -> Iterator[str]:
    """The key of a request; that which 0.1.0 gave it, which counted parameters about the caller; and that of a
    recording which differs only in what the script ignores."""
    yield key_of(request)
    yield Recording.key_for(request.operation, _asked(request, ACCOUNT))
    script = request.config.script
    if script is not None and (ignoring := ignoring_of(script.document.ignore)):
        asked = Recording.key_for(request.operation, ignoring.inputs(_asked(request)))
        like = recordings.like(asked, lambda found: Recording.key_for(found.operation, ignoring.inputs(found.inputs)))
        yield from () if like is None else (like,)


def _asked(request: ResolvedRequest, left_out: frozenset[str] = _LEFT_OUT) -> dict[str, Any]:
    asked = _without(left_out, inputs_as_json(request.inputs))
    if isinstance(asked.get("extra_body"), dict):
        asked["extra_body"] = _without(left_out, asked["extra_body"])
    return asked


def _without(left_out: frozenset[str], inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name.lower().replace("-", "_") not in left_out}


def _miss(recordings: Recordings, request: ResolvedRequest) -> ProviderError:
    if not recordings:
        return ProviderError("ERR_REPLAY_MISS", "there are no recordings", hint=Remedy.RECORD)
    asked = _pretty(_asked(request))
    nearest = max(recordings, key=lambda recording: _likeness(_pretty(recording.inputs), asked))
    difference = "\n".join(_difference(_pretty(nearest.inputs), asked)) or _UNSEEN
    message = f"no recording is of this request; the nearest is {nearest.file_name}, which differs:\n{difference}"
    return ProviderError("ERR_REPLAY_MISS", message, hint=Remedy.RECORD)


def _pretty(inputs: Mapping[str, Any]) -> str:
    return dumps(inputs, indent=2, sort_keys=True)


def _likeness(text: str, other: str) -> float:
    """Compare two texts by their words, 0 (nothing in common) to 1. Takes no longer than reading them."""
    words, others = Counter(text.split()), Counter(other.split())
    return 2 * (words & others).total() / (words.total() + others.total())


def _difference(recorded: str, asked: str) -> list[str]:
    """The lines that differ, and their surroundings: `-` was recorded, `+` is asked."""
    from difflib import unified_diff

    lines = list(unified_diff(recorded.splitlines(), asked.splitlines(), "recorded", "asked", n=2, lineterm=""))
    shown = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in lines[:_LINES]]
    return [*shown, *([f"… and {len(lines) - _LINES} lines more"] if len(lines) > _LINES else [])]
