"""The checks, each of a rule that every provider keeps."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping
from copy import deepcopy
from typing import Any

from theoryctl_providers.blame import blamed
from theoryctl_providers.conformance.subject import PROCESSES, Failed, Skipped, Subject, result_of
from theoryctl_providers.contract import Envelope, Event, Request
from theoryctl_providers.engine.event_rules import RESERVED
from theoryctl_providers.engine.execute import admit
from theoryctl_providers.lookup import get_llm_provider
from theoryctl_providers.redact import Redactor

#: Seconds in which tasks end that were cancelled.
_GRACE = 1.0


def _class(subject: Subject) -> None:
    subject.provider = subject.within_time(lambda: get_llm_provider(subject.config.provider))


def _mock(subject: Subject) -> None:
    """Every input is answered, and no event breaks the rules."""
    subject.mocked = [_success(result_of(subject.ask(inputs, "mock"))) for inputs in subject.inputs]
    for inputs, answered in zip(subject.inputs, subject.mocked, strict=True):
        subject.prepare("mock")
        subject.await_within_time(_read(subject, subject.request(inputs, "mock")))
        if "embeddings" in subject.found.operations:
            texts = {"model": answered["model"], "input": ["one", "two"]}
            _success(result_of(subject.ask(texts, "mock", operation="embeddings")))


async def _read(subject: Subject, request: Request) -> None:
    """Check that a provider leaves the inputs that it is given as they are."""
    admitted = admit(request, subject.found)
    given = deepcopy(admitted.inputs)
    try:
        with blamed(subject.found):
            async for _ in subject.found.stream(admitted):
                pass
    finally:
        with blamed(subject.found, "aclose"):
            await subject.found.aclose()
    if admitted.inputs != given:
        raise Failed("stream changes request.inputs, which another attempt gets too: change a copy of them")


def _whole(subject: Subject) -> None:
    """Check that one who waits for the whole answer gets the same."""
    _needs_answers(subject)
    for inputs, streamed in zip(subject.inputs, subject.mocked, strict=True):
        whole = _success(result_of(subject.ask(inputs, "mock", streamed=False)))
        _must_equal(whole, streamed, "between an answer in pieces and one as a whole")


def _deterministic(subject: Subject) -> None:
    """Two processes with other hash seeds, one of which has secrets, say what this one says."""
    _needs_answers(subject)
    for (seed, secret), told in zip(PROCESSES, subject.elsewhere, strict=True):
        where = f"in a process with hash seed {seed} and {'the' if secret else 'no'} secrets in its environment"
        for envelope, other in zip(subject.mocked, told["envelopes"], strict=True):
            _must_equal(envelope, _success(other), where)


def _offline(subject: Subject) -> None:
    """No connection is opened in mock mode."""
    _needs_answers(subject)
    for told in subject.elsewhere:
        if told["opened"]:
            raise Failed(f"mock mode opened a connection: {told['opened'][0]}")


def _real(subject: Subject) -> None:
    """In both modes the same inputs are answered, with outputs of the same names."""
    _needs_vendor(subject)
    subject.real = [subject.ask(inputs, "real") for inputs in subject.inputs]
    _needs_answers(subject)
    for mocked, events in zip(subject.mocked, subject.real, strict=True):
        ours, theirs = _own(mocked), _own(_success(result_of(events)))
        if ours != theirs:
            raise Failed(f"mock mode gives the outputs {', '.join(ours)}; real mode {', '.join(theirs)}")


def _cancelled(subject: Subject) -> None:
    """An answer that is left early ends, leaves nothing running, and the provider can be asked again."""
    for mode in subject.modes():
        for inputs in subject.inputs[:1]:
            subject.prepare(mode)
            subject.await_within_time(_leave(subject, subject.request(inputs, mode)))
            _success(result_of(subject.ask(inputs, mode)))


async def _leave(subject: Subject, request: Request) -> None:
    import asyncio

    provider = subject.found
    before, admitted = asyncio.all_tasks(), admit(request, provider)
    with blamed(provider):
        events: AsyncIterable[Event] = provider.stream(admitted)
        async for _ in events:
            break
        if (aclose := getattr(events, "aclose", None)) is not None:
            await aclose()
    with blamed(provider, "aclose"):
        await provider.aclose()
        await provider.aclose()  # nobody counts how often it is closed
    if left := asyncio.all_tasks() - before:
        _, left = await asyncio.wait(left, timeout=_GRACE)
    if left:
        raise Failed(f"{len(left)} tasks go on after an answer in {request.mode} mode was left and closed")


def _redacted(subject: Subject) -> None:
    """No secret's value is in anything that real mode says."""
    vendor = _needs_vendor(subject)
    said = repr(subject.real)
    shown = [name for name, value in vendor.items() if Redactor({name: value}).text(said) != said]
    if shown:
        raise Failed(f"the value of {', '.join(shown)} is in an answer")


def _needs_answers(subject: Subject) -> None:
    if not subject.mocked:
        raise Skipped("mock mode does not answer")


def _needs_vendor(subject: Subject) -> Mapping[str, str]:
    if subject.vendor is None:
        raise Skipped("no vendor is given to ask")
    return subject.vendor


def _own(envelope: Envelope) -> list[str]:
    """Names of outputs but for those that a model decides on, such as whether it calls a tool."""
    names = [output["name"] for output in envelope["outputs"]]
    return [name for name in names if name.partition(".")[0] not in RESERVED or name.startswith("finish_reason")]


def _success(envelope: Any) -> Any:
    """The envelope, if it is of a success."""
    if (error := envelope["error"]) is not None:
        raise Failed(f"{error['code']}: {error['message']}")
    return envelope


def _must_equal(one: Any, other: Any, where: str) -> None:
    """Compare outputs and usage, and name the first that differs."""
    ours, theirs = ({output["name"]: output for output in each["outputs"]} for each in (one, other))
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            raise Failed(f"output {name} differs {where}")
    if one["usage"] != other["usage"]:
        raise Failed(f"usage differs {where}")


#: The checks by name, in the order in which they are made: later ones need the answers of earlier ones.
CHECKS: dict[str, Callable[[Subject], None]] = {
    "class": _class,
    "mock": _mock,
    "whole": _whole,
    "deterministic": _deterministic,
    "offline": _offline,
    "real": _real,
    "cancelled": _cancelled,
    "redacted": _redacted,
}
