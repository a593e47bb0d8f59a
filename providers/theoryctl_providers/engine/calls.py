"""One request from Python: run, arun, stream and astream, with the same arguments and the same failures."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from theoryctl_providers.contract import (
    MODE_VARIABLE,
    Attachment,
    Envelope,
    Event,
    Mode,
    ProviderConfig,
    ProviderError,
    Request,
    Result,
    holding_tokens,
    is_mock,
    resolve_mode,
    secret_names,
    without_instances,
)
from theoryctl_providers.contract.observing import OBSERVER
from theoryctl_providers.engine.arguments import hints_in_arguments
from theoryctl_providers.engine.options import HELP, Options, unknown, with_options
from theoryctl_providers.engine.session import aask, ask
from theoryctl_providers.lookup import secret_rules_of

if TYPE_CHECKING:
    from theoryctl_providers.contract import Script
    from theoryctl_providers.contract.observing import Watch


@with_options
def run(inputs: Mapping[str, Any], **options: Unpack[Options]) -> Envelope:
    """Run one request to its end and return the envelope of its success.

    It blocks its thread, a running event loop too: use `arun` there. Raises ProviderError, a RuntimeError with `code`,
    `hint` and `retryable`, when an argument is bad (`ERR_USAGE`), the inputs are, a secret is missing or the call
    fails.
    """
    call = _make_call(inputs, streamed=False, **options)
    return _envelope([event for event in _events(call) if isinstance(event, Result)])


@with_options
async def arun(inputs: Mapping[str, Any], **options: Unpack[Options]) -> Envelope:
    """Run one request to its end, as `run` does, while the running event loop goes on. Cancelled, it ends the call."""
    call = await _make_call_in_thread(inputs, False, options)
    async with aclosing(_aevents(call)) as events:
        return _envelope([event async for event in events if isinstance(event, Result)])


@with_options
def stream(inputs: Mapping[str, Any], **options: Unpack[Options]) -> Generator[Event, None, None]:
    """Yield the events of one request as they come: `Started`, `Delta` and so on, the last one a `Result`.

    Closed early, the generator cancels the call. Raises as `run` does: what is wrong with an argument at once, the rest
    where the answer ends.
    """
    return _events(_make_call(inputs, streamed=True, **options))


@with_options
async def astream(inputs: Mapping[str, Any], **options: Unpack[Options]) -> AsyncGenerator[Event, None]:
    """Yield the events of one request as `stream` does, while the running event loop goes on."""
    call = await _make_call_in_thread(inputs, True, options)
    async with aclosing(_aevents(call)) as events:
        async for event in events:
            yield event


@dataclass(frozen=True, slots=True)
class _Call:
    """A request, the folder that its recording is for, and what watches it."""

    request: Request
    record: Path | None
    watch: Watch | None = None

    def passed(self, event: Event) -> Event:
        """The event; at the end what was recorded is written, and a failure raised."""
        if self.watch is not None:
            self.watch.see(event)
        if isinstance(event, Result):
            self.write()
            _raise(event)
        return event

    def write(self) -> None:
        tape = self.request.config.tape
        if tape is not None and self.record is not None:
            from theoryctl_providers.contract import write_recordings

            write_recordings(self.record, tape.kept()[0])

    def close(self) -> None:
        if self.watch is not None:
            self.watch.close()


def _events(call: _Call) -> Generator[Event, None, None]:
    with closing(call), closing(ask(call.request)) as events:
        for event in events:
            yield call.passed(event)


async def _aevents(call: _Call) -> AsyncGenerator[Event, None]:
    if call.watch is not None:
        async with aclosing(_watched(call)) as events:
            async for event in events:
                yield event
        return
    async with aclosing(aask(call.request)) as events:
        async for event in events:
            yield call.passed(event)


async def _watched(call: _Call) -> AsyncGenerator[Event, None]:
    """The events of a call that is watched: at its end that may write, for which other threads are."""
    import asyncio

    try:
        async with aclosing(aask(call.request)) as events:
            async for event in events:
                is_last = isinstance(event, Result)
                yield await asyncio.to_thread(call.passed, event) if is_last else call.passed(event)
    finally:
        await asyncio.to_thread(call.close)


async def _make_call_in_thread(inputs: Mapping[str, Any], streamed: bool, options: Options) -> _Call:
    """Make a call in another thread: that may import a provider and read recordings."""
    import asyncio

    return await asyncio.to_thread(lambda: _make_call(inputs, streamed=streamed, **options))


@hints_in_arguments
def _make_call(
    inputs: Mapping[str, Any],
    *,
    streamed: bool,
    provider: str = "mock",
    mode: Mode | None = None,
    attachments: Sequence[Attachment] = (),
    secrets: Mapping[str, str] | None = None,
    timeout: float | None = None,
    script: Script | None = None,
    record: str | os.PathLike[str] | None = None,
    replay: str | os.PathLike[str] | None = None,
    **others: object,
) -> _Call:
    for name in others:
        raise unknown(name)
    _check(provider, attachments, secrets, timeout, script)
    _check_folders(record=record, replay=replay)
    chosen = _mode(inputs if isinstance(inputs, Mapping) else {}, mode)
    if record is not None and replay is None and is_mock(chosen):
        message = "record: mock mode has nothing to record"
        raise ProviderError("ERR_USAGE", message, hint="pass mode='real', or replay as well")
    given = keys_of(provider, os.environ) if secrets is None and not is_mock(chosen) else secrets or {}
    config = ProviderConfig(
        provider=provider,
        timeout=timeout,
        script=script,
        secrets={name: value.strip() for name, value in given.items()},
        withheld=() if is_mock(chosen) or secrets is not None else holding_tokens(os.environ),
        **_recording(record, replay),
    )
    request = Request(config=config, inputs=inputs, mode=chosen, attachments=attachments, streamed=streamed)
    observer = OBSERVER.get()
    call = _Call(request, None if record is None else Path(record), observer and observer(request))
    call.write()  # nothing yet: a folder that cannot be made should not cost a call
    return call


def _mode(inputs: Mapping[str, Any], mode: Mode | None) -> Mode:
    """The mode of a call. Where it is real although the call does not say so, a warning tells of it."""
    chosen = resolve_mode(inputs, mode)
    if not is_mock(chosen) and mode is None and inputs.get("mode") is None:
        import warnings

        # It names the line that calls `run` or `stream`; that of `arun` and `astream` is in another thread.
        warnings.warn(f"real mode, as {MODE_VARIABLE} says: a vendor is asked", RuntimeWarning, stacklevel=5)
    return chosen


def _check(provider: Any, attachments: Any, secrets: Any, timeout: Any, script: Any) -> None:
    """Raise ProviderError `ERR_USAGE` for an argument of the wrong type, whatever the mode would do with it."""
    if not isinstance(provider, str):
        raise _unusable("provider", "a name", provider)
    if not _is_list_of(Attachment, attachments):
        raise _unusable("attachments", "a list of Attachment", attachments)
    _check_secrets({} if secrets is None else secrets)
    if timeout is not None and not _is_positive(timeout):
        raise _unusable("timeout", "a positive number of seconds", timeout)
    if script is not None:
        from theoryctl_providers.contract import Script

        if not isinstance(script, Script):
            raise _unusable("script", "a Script", script, "pass Script.load(document), of the document as a dict")


def _check_folders(**folders: Any) -> None:
    """Raise ProviderError `ERR_USAGE` for what names no folder."""
    for argument, folder in folders.items():
        path = folder.__fspath__() if isinstance(folder, os.PathLike) else folder
        if path is not None and (not isinstance(path, str) or "\0" in path):
            raise _unusable(argument, "the path of a folder", folder)


def _is_list_of(kind: type, values: Any) -> bool:
    return isinstance(values, Sequence) and all(isinstance(value, kind) for value in values)


def _check_secrets(secrets: Any) -> None:
    """Raise ProviderError `ERR_USAGE` for secrets of the wrong type, of which only types are shown: never a value."""
    if not isinstance(secrets, Mapping):
        raise _refusal("secrets", "texts by variable name", type(secrets).__name__)
    for name, value in secrets.items():
        if not isinstance(name, str):
            raise _refusal("secrets", "names of variables", type(name).__name__)
        if not isinstance(value, str):
            raise _refusal("secrets", f"a text for {name:.100}", type(value).__name__)


def _is_positive(number: Any) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 < number < math.inf


def _unusable(argument: str, expected: str, found: Any, hint: str = HELP) -> ProviderError:
    shown = repr(found)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
    return _refusal(argument, expected, shown, hint)


def _refusal(argument: str, expected: str, found: str, hint: str = HELP) -> ProviderError:
    return ProviderError("ERR_USAGE", f"{argument}: expected {expected}, got {found}", hint=hint)


def keys_of(provider: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's secrets that an environment has, without tokens and addresses of instances."""
    rules = secret_rules_of(provider)
    return without_instances(rules, {name: environment[name] for name in secret_names(rules) if name in environment})


def _recording(record: str | os.PathLike[str] | None, replay: str | os.PathLike[str] | None) -> dict[str, Any]:
    """The parts of a config that record and replay."""
    if record is None and replay is None:
        return {}
    from theoryctl_providers.contract import Tape
    from theoryctl_providers.mock.recording_files import read_recordings

    return {
        "replay": None if replay is None else read_recordings(Path(replay)),
        "tape": None if record is None else Tape(),
    }


@hints_in_arguments
def _raise(result: Result) -> None:
    """Raise the failure of a call, in the words of its envelope, which hold no secrets."""
    error = result.envelope["error"]
    if error is not None:
        raised = ProviderError(error["code"], error["message"], hint=error["hint"])
        raised.retryable = error["retryable"]
        if (cause := result.cause) is not None:
            raised.retry_after, raised.param, raised.vendor_code = cause.retry_after, cause.param, cause.vendor_code
        if (vendor := result.envelope["meta"]["vendor"]) is not None:
            raised.headers = vendor["headers"]
        raise raised


def _envelope(results: list[Result]) -> Envelope:
    if not results:
        raise ProviderError("ERR_INTERNAL", "the engine ended without a result")
    return results[0].envelope
