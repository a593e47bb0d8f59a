"""A provider with a vendor behind it, its recordings and their replays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from theoryctl_providers import (
    LLMProvider,
    ProviderConfig,
    ProviderError,
    Request,
    SecretRule,
    execute,
)
from theoryctl_providers.contract import (
    Delta,
    Event,
    Finish,
    Output,
    Recording,
    Recordings,
    Result,
    Tape,
    ToolCallDelta,
    Usage,
    write_recordings,
)
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.mock.recording_files import read_recordings

HERE = "tests.mocks.recorded"
PROVIDER = f"{HERE}:Vendor"
KEY, FILE_VALUE, ADDRESS = "canary.4b1d7c90e2f8", "canary.of.the.env.file", "http://10.1.2.3/internal"
ASK = {"model": "acme/big", "messages": [{"role": "user", "content": "Say hello."}]}


class Vendor(LLMProvider):
    """Stands for a provider with a vendor behind it: two choices, a tool call, a picture, and whatever it was told."""

    secret_rules = (SecretRule(name="ACME_KEY"),)

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        await asyncio.sleep(0)
        content = request.inputs["messages"][-1]["content"]
        said = content if isinstance(content, str) else "a file"
        if said == "fail":
            raise ProviderError("ERR_QUOTA", "the account is empty", hint="pay")
        for piece in ("Hel", "lo ", f"{said} "):
            yield Delta(0, text=piece)
        for cut in range(0, len(KEY), 5):
            yield Delta(0, text=KEY[cut : cut + 5])
        yield Delta(1, tool_call=ToolCallDelta(0, id="c1", name="f"))
        yield Delta(1, tool_call=ToolCallDelta(0, '{"a": "'))
        yield Delta(1, tool_call=ToolCallDelta(0, f'{FILE_VALUE}"}}'))
        yield Output("picture", "application/json", {"url": f"{ADDRESS}/x.png", "none": None})
        yield Output("empty", "application/json", None)
        yield Finish(0, "stop")
        yield Finish(1, "tool_calls")
        yield Usage(11, 7, 0.00125)


class Scribbler(Vendor):
    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        request.inputs["extra_body"]["seen"] = len
        yield Delta(text="Hello.")
        yield Finish()


class Limited(Vendor):
    """Refuses its first call, and takes the second."""

    calls = 0

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        self.calls += 1
        if self.calls == 1:
            raise ProviderError("ERR_RATE_LIMITED", "too fast", retry_after=0)
        yield Delta(text="Hello.")
        yield Finish()


class Never(Vendor):
    def stream(self, request: Request) -> AsyncGenerator[Event]:
        raise AssertionError("called for nothing")


def config(**more: Any) -> ProviderConfig:
    secrets = {"ACME_KEY": KEY, "ACME_BASE": ADDRESS}
    hidden = {"OTHER": FILE_VALUE, "SHORT": "x"}
    return ProviderConfig(**{"provider": PROVIDER, "secrets": secrets, "hidden": hidden, "input_schema": {}, **more})


def played(request: Request) -> list[Event]:
    return list(drive(execute(request)))


def envelope(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Result)
    return dict(events[-1].envelope)


def record(inputs: Any = ASK, provider: str = PROVIDER, **more: Any) -> tuple[list[Event], Recording]:
    """The events of a real call, and its recording."""
    tape = Tape()
    events = played(Request(config=config(tape=tape, provider=provider), inputs=inputs, mode="real", **more))
    (recording,), _ = tape.kept()
    return events, recording


def replay(recording: Recording, inputs: Any = ASK, **more: Any) -> list[Event]:
    told = config(replay=Recordings([recording]), secrets={}, hidden={})
    return played(Request(config=told, inputs=inputs, mode="mock", **more))


def through_a_file(recording: Recording, folder: Path) -> Recording:
    write_recordings(folder, [recording])
    (read,) = read_recordings(folder)
    return read
