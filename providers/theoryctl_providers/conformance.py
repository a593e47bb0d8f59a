"""Holds a provider against the rules that every provider keeps, as a test of its author's does.

assert_conforms("acme_echo:Echo", {"model": "acme/one", "messages": [{"role": "user", "content": "Hi"}]})
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

from theoryctl_providers.contract import (
    Envelope,
    Event,
    Mode,
    ProviderConfig,
    ProviderError,
    Request,
    Result,
    dumps,
    loads,
)
from theoryctl_providers.contract.conformance import Check, Report
from theoryctl_providers.engine.event_rules import RESERVED
from theoryctl_providers.engine.execute import admit, execute
from theoryctl_providers.lookup import get_llm_provider
from theoryctl_providers.protocol import LLMProvider
from theoryctl_providers.redact import Redactor

__all__ = ["Check", "Report", "Vendor", "assert_conforms", "check_provider"]

#: Variables with a vendor's key and address, or what makes them and takes the vendor down again.
Vendor = Mapping[str, str] | Callable[[], AbstractContextManager[Mapping[str, str]]]

#: A value of each secret in one of two processes: a mock's answer must not depend on it.
_CANARY = "theoryctl-canary-4f1d8c2b7a90"
_T = TypeVar("_T")

#: Seconds in which tasks end that were cancelled.
_GRACE = 1.0
#: Hash seed of each process, and the value of the secrets in its environment.
_PROCESSES = (("1", None), ("2", _CANARY))


def check_provider(
    provider: str | type[Any] | ProviderConfig,
    inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    vendor: Vendor | None = None,
    seconds: float = 60.0,
) -> Report:
    """Make every check of a provider with these inputs, and report them; nothing is raised for one that fails.

    `provider` is a name as a manifest has it, the class, or a config with input schema and default model. Real mode is
    checked against `vendor` alone: a mapping of variables to their values, as secrets are given, or a callable that
    returns a context manager of one; without it these checks are skipped. `seconds` is the time for each answer.
    Call it where no event loop runs.
    """
    given = [inputs] if isinstance(inputs, Mapping) else list(inputs)
    config = provider if isinstance(provider, ProviderConfig) else ProviderConfig(provider=_name(provider))
    with vendor() if callable(vendor) else nullcontext(vendor) as variables:
        subject = _Subject(config, given, variables, seconds)
        return Report(config.provider, tuple(_made(name, check, subject) for name, check in _CHECKS.items()))


def assert_conforms(
    provider: str | type[Any] | ProviderConfig,
    inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    vendor: Vendor | None = None,
    seconds: float = 60.0,
) -> None:
    """Raise AssertionError with the report where a check of `check_provider` fails."""
    report = check_provider(provider, inputs, vendor=vendor, seconds=seconds)
    if not report.conforms:
        raise AssertionError("\n".join((f"{report.provider} does not conform:", *report.lines())))


def _name(provider: str | type[Any]) -> str:
    return provider if isinstance(provider, str) else f"{provider.__module__}:{provider.__qualname__}"


class _Skipped(Exception):
    """A check that cannot be made, and why."""


class _Failed(Exception):
    """A rule that is broken, and by what."""


def _made(name: str, check: Callable[[_Subject], None], subject: _Subject) -> Check:
    try:
        check(subject)
    except _Skipped as reason:
        return Check(name, "skipped", str(reason))
    except Exception as error:  # whatever the provider's own code raises, and it may quote a key
        return Check(name, "failed", Redactor(subject.vendor or {}).error_text(_reason(error, subject)))
    return Check(name, "passed")


def _reason(error: Exception, subject: _Subject) -> str:
    if isinstance(error, ProviderError):
        return f"{error.code}: {error.message}"
    if isinstance(error, TimeoutError):
        return f"no end within {subject.seconds:g} s"
    return str(error) if isinstance(error, _Failed) else f"{type(error).__name__}: {error}"


class _Subject:
    """A provider under test, and its answers so far."""

    def __init__(
        self,
        config: ProviderConfig,
        inputs: list[Mapping[str, Any]],
        vendor: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> None:
        self.config, self.inputs, self.vendor, self.seconds = config, inputs, vendor, seconds
        self.provider: LLMProvider | None = None
        self.mocked: list[Envelope] = []
        self.real: list[list[Event]] = []

    @property
    def found(self) -> LLMProvider:
        """The provider. Raises _Skipped where the look-up refused its class."""
        if self.provider is None:
            raise _Skipped("the class is refused")
        return self.provider

    @cached_property
    def elsewhere(self) -> list[Any]:
        """The answers of two new processes in mock mode, and the connections that were opened there."""
        return [_in_a_process(self, seed, secret) for seed, secret in _PROCESSES]

    def request(self, inputs: Mapping[str, Any], mode: Mode, *, streamed: bool = True) -> Request:
        secrets = dict(self.vendor or {}) if mode == "real" else {}
        config = replace(self.config, mode=mode, secrets=secrets)
        return Request(config=config, inputs=inputs, mode=mode, streamed=streamed)

    def ask(self, inputs: Mapping[str, Any], mode: Mode, *, streamed: bool = True) -> list[Event]:
        """All events of one answer; the provider is closed after it, as after a run."""
        self.found.prepare(mode)  # where no event loop runs yet
        return self.within_time(self._answer(self.request(inputs, mode, streamed=streamed)))

    def within_time(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in an event loop of its own. Raises TimeoutError."""
        import asyncio

        return asyncio.run(asyncio.wait_for(work, self.seconds))

    async def _answer(self, request: Request) -> list[Event]:
        try:
            return [event async for event in execute(request)]
        finally:
            await self.found.aclose()

    def modes(self) -> tuple[Mode, ...]:
        """The modes that can be asked."""
        return ("mock",) if self.vendor is None else ("mock", "real")


def _result(events: list[Event]) -> Envelope:
    (envelope,) = (event.envelope for event in events if isinstance(event, Result))
    return envelope


def _success(envelope: Any) -> Any:
    """The envelope, if it is of a success."""
    if (error := envelope["error"]) is not None:
        raise _Failed(f"{error['code']}: {error['message']}")
    return envelope


def _must_equal(one: Any, other: Any, where: str) -> None:
    """Compare outputs and usage, and name the first that differs."""
    ours, theirs = ({output["name"]: output for output in each["outputs"]} for each in (one, other))
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            raise _Failed(f"output {name} differs {where}")
    if one["usage"] != other["usage"]:
        raise _Failed(f"usage differs {where}")


# -- the checks -------------------------------------------------------------------------------------------------------


def _class(subject: _Subject) -> None:
    subject.provider = get_llm_provider(subject.config.provider)


def _mock(subject: _Subject) -> None:
    """Every input is answered, and no event breaks the rules."""
    subject.mocked = [_success(_result(subject.ask(inputs, "mock"))) for inputs in subject.inputs]


def _whole(subject: _Subject) -> None:
    """Check that one who waits for the whole answer gets the same."""
    _needs_answers(subject)
    for inputs, streamed in zip(subject.inputs, subject.mocked, strict=True):
        whole = _success(_result(subject.ask(inputs, "mock", streamed=False)))
        _must_equal(whole, streamed, "between an answer in pieces and one as a whole")


def _deterministic(subject: _Subject) -> None:
    """Two processes with other hash seeds, one of which has secrets, say what this one says."""
    _needs_answers(subject)
    for (seed, secret), told in zip(_PROCESSES, subject.elsewhere, strict=True):
        where = f"in a process with hash seed {seed} and {'the' if secret else 'no'} secrets in its environment"
        for envelope, other in zip(subject.mocked, told["envelopes"], strict=True):
            _must_equal(envelope, _success(other), where)


def _offline(subject: _Subject) -> None:
    """No connection is opened in mock mode."""
    _needs_answers(subject)
    for told in subject.elsewhere:
        if told["opened"]:
            raise _Failed(f"mock mode opened a connection: {told['opened'][0]}")


def _real(subject: _Subject) -> None:
    """In both modes the same inputs are answered, with outputs of the same names."""
    _needs_vendor(subject)
    subject.real = [subject.ask(inputs, "real") for inputs in subject.inputs]
    _needs_answers(subject)
    for mocked, events in zip(subject.mocked, subject.real, strict=True):
        ours, theirs = _own(mocked), _own(_success(_result(events)))
        if ours != theirs:
            raise _Failed(f"mock mode gives the outputs {', '.join(ours)}; real mode {', '.join(theirs)}")


def _cancelled(subject: _Subject) -> None:
    """An answer that is left early ends, leaves nothing running, and the provider can be asked again."""
    for mode in subject.modes():
        for inputs in subject.inputs[:1]:
            subject.found.prepare(mode)
            subject.within_time(_leave(subject, subject.request(inputs, mode)))
            _success(_result(subject.ask(inputs, mode)))


async def _leave(subject: _Subject, request: Request) -> None:
    import asyncio

    events: AsyncIterable[Event] = subject.found.stream(admit(request, subject.found))
    before = asyncio.all_tasks()
    async for _ in events:
        break
    if (aclose := getattr(events, "aclose", None)) is not None:
        await aclose()
    await subject.found.aclose()
    await subject.found.aclose()  # nobody counts how often it is closed
    if left := asyncio.all_tasks() - before:
        _, left = await asyncio.wait(left, timeout=_GRACE)
    if left:
        raise _Failed(f"{len(left)} tasks go on after an answer in {request.mode} mode was left and closed")


def _redacted(subject: _Subject) -> None:
    """No secret's value is in anything that real mode says."""
    vendor = _needs_vendor(subject)
    said = repr(subject.real)
    shown = [name for name, value in vendor.items() if Redactor({name: value}).text(said) != said]
    if shown:
        raise _Failed(f"the value of {', '.join(shown)} is in an answer")


_CHECKS: dict[str, Callable[[_Subject], None]] = {
    "class": _class,
    "mock": _mock,
    "whole": _whole,
    "deterministic": _deterministic,
    "offline": _offline,
    "real": _real,
    "cancelled": _cancelled,
    "redacted": _redacted,
}


def _needs_answers(subject: _Subject) -> None:
    if not subject.mocked:
        raise _Skipped("mock mode does not answer")


def _needs_vendor(subject: _Subject) -> Mapping[str, str]:
    if subject.vendor is None:
        raise _Skipped("no vendor is given to ask")
    return subject.vendor


def _own(envelope: Envelope) -> list[str]:
    """Names of outputs but for those that a model decides on, such as whether it calls a tool."""
    names = [output["name"] for output in envelope["outputs"]]
    return [name for name in names if name.partition(".")[0] not in RESERVED or name.startswith("finish_reason")]


# -- in another process -----------------------------------------------------------------------------------------------


def _in_a_process(subject: _Subject, seed: str, secret: str | None) -> Any:
    """The answers of a new process in mock mode, and the connections that it tried to open."""
    import subprocess

    config = subject.config
    names = {rule.name for rule in config.secret_rules or subject.found.secret_rules}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    told = dict.fromkeys(names, secret) if secret else {}
    environment = {
        **kept,
        **told,
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    facts = {"provider": config.provider, "default_model": config.default_model, "input_schema": config.input_schema}
    facts["output_schema"] = config.output_schema
    document = {"config": facts, "inputs": subject.inputs}
    command = [sys.executable, "-m", "theoryctl_providers.conformance"]
    try:
        done = subprocess.run(
            command, input=dumps(document).encode(), capture_output=True, env=environment, timeout=subject.seconds
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    if done.returncode:
        raise _Failed(f"a new process failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return loads(done.stdout, what="the answers")


def _answer_here() -> None:
    """Be that process: a document on standard input, another on standard output."""
    out = os.dup(1)
    os.dup2(2, 1)  # what a provider prints is no part of it
    document = loads(sys.stdin.buffer.read())
    subject = _Subject(ProviderConfig(**document["config"]), document["inputs"])
    subject.provider = get_llm_provider(subject.config.provider)
    subject.provider.prepare("mock")
    opened: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            opened.append(f"{event} {arguments[-1] if event == 'socket.connect' else arguments[:2]}")

    sys.addaudithook(watch)
    envelopes = [_result(subject.ask(inputs, "mock")) for inputs in subject.inputs]
    with os.fdopen(out, "wb") as file:
        file.write(dumps({"envelopes": envelopes, "opened": opened}).encode())


if __name__ == "__main__":
    _answer_here()
