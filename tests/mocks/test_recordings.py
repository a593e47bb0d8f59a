"""Recordings in the engine: what is in one, what never is, and that a replay is the same to the byte."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NO_DETAILS
from theoryctl_providers import (
    Attachment,
    LLMProvider,
    ProviderConfig,
    ProviderError,
    Request,
    SecretRule,
    execute,
    run,
)
from theoryctl_providers.contract import (
    Delta,
    Event,
    Finish,
    Mode,
    Output,
    Recording,
    Recordings,
    Remedy,
    Result,
    ServerConfig,
    Started,
    Tape,
    ToolCallDelta,
    Usage,
    write_recordings,
)
from theoryctl_providers.contract import recordings as module
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.mock.recording_files import read_recordings

HERE = "acme_vendor"
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


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


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


def test_a_replay_has_the_same_chunks_outputs_usage_and_cost(tmp_path: Path) -> None:
    real, recording = record()
    mock = replay(through_a_file(recording, tmp_path))
    assert mock[1:-1] == real[1:-1]
    assert [type(event) for event in (mock[0], mock[-1])] == [Started, Result]
    for part in ("outputs", "usage", "model", "error", "status"):
        assert envelope(mock)[part] == envelope(real)[part]
    assert envelope(mock)["usage"] == {"input_tokens": 11, "output_tokens": 7, "cost_usd": 0.00125, **NO_DETAILS}
    assert (envelope(mock)["mode"], envelope(real)["mode"]) == ("mock", "real")


def test_a_replay_needs_no_secret_and_no_event_loop() -> None:
    _, recording = record()
    started = replay(recording)[0]
    assert isinstance(started, Started) and not started.suspends


def test_the_mode_the_stream_and_who_asks_are_no_part_of_what_is_asked() -> None:
    account = {"api_key": "k", "extra_headers": {"Authorization": "Bearer x"}, "organization": "org-1", "project": "p"}
    body = {"extra_body": {"top_k": 1, "Api-Key": "k"}}
    _, recording = record({**ASK, **account, **body, "mode": "real", "stream": True, "stream_options": {}})
    for inputs in ({**ASK, "extra_body": {"top_k": 1}}, {**ASK, **body, "organization": "another", "mode": "mock"}):
        assert envelope(replay(recording, inputs))["status"] == "success"
    assert not [word for word in ("Bearer", "org-1", "api_key", "Api-Key", '"k"') if word in recording.text()]


def test_what_is_about_the_caller_reaches_the_vendor_and_is_no_part_of_a_recording() -> None:
    who = {"user": "somebody", "metadata": {"team": "a"}, "store": True, "service_tier": "flex"}
    _, recording = record({**ASK, **who})
    assert recording.inputs == ASK
    for inputs in (ASK, {**ASK, **who}, {**ASK, "user": "another"}):
        assert envelope(replay(recording, inputs))["status"] == "success"


def test_a_recording_whose_key_counts_the_caller_as_0_1_0_made_it_is_found_by_the_same_caller() -> None:
    _, recording = record()
    asked = {**ASK, "user": "somebody"}
    old = replace(recording, inputs=asked, key=Recording.key_for("chat", asked))
    assert envelope(replay(old, asked))["status"] == "success"
    assert envelope(replay(old, ASK))["status"] == "error"


def test_an_attachment_counts_by_its_name_and_digest(tmp_path: Path) -> None:
    def attached(digit: str) -> dict[str, Any]:
        file = Attachment(
            name="a", path=str(tmp_path / digit), digest=f"sha256:{digit * 64}", media_type="text/plain", size=1
        )
        return {"attachments": [file]}

    _, recording = record(**attached("1"))
    assert str(tmp_path) not in recording.text()
    assert envelope(replay(recording, **attached("1")))["status"] == "success"
    assert envelope(replay(recording, **attached("2")))["error"]["code"] == "ERR_REPLAY_MISS"


def test_a_recording_is_a_readable_file_with_one_event_a_line(tmp_path: Path) -> None:
    _, recording = record()
    (file,) = write_recordings(tmp_path / "new" / "folder", [recording])
    text = file.read_text()
    assert file.name == f"acme-big-{recording.key[7:23]}.json"
    assert file.stat().st_mode & 0o777 == 0o644
    assert json.loads(text) == recording.dump()
    assert '    {"delta": {"choice": 0, "text": "Hel"}},\n    {"delta": {"choice": 0, "text": "lo "}},\n' in text
    assert '    {"usage": {"input_tokens": 11, "output_tokens": 7, "cost_usd": 0.00125}}\n  ]\n}\n' in text


def test_no_secret_no_value_of_the_env_file_and_no_key_of_the_environment_is_in_a_recording(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANOTHER_API_KEY", "canary.of.the.environment")
    canaries = {"ACME_KEY": KEY, "OTHER": FILE_VALUE, "ANOTHER_API_KEY": "canary.of.the.environment"}
    said = "My keys are " + " and ".join(canaries.values())
    inputs = {**ASK, "messages": [{"role": "user", "content": said}], "extra_body": {FILE_VALUE: [KEY]}}
    events, recording = record(inputs)
    text = recording.text()
    assert "canary" not in text and ADDRESS not in text
    assert all(f"[{name}]" in text for name in (*canaries, "ACME_BASE"))
    # What was recorded is what was shown; and the same question finds it.
    assert replay(recording, inputs)[1:-1] == events[1:-1]


def test_what_is_recorded_is_what_was_asked_whatever_a_provider_writes_into_it() -> None:
    inputs = {**ASK, "extra_body": {"team": "a"}}
    _, recording = record(inputs, provider=f"{HERE}:Scribbler")
    assert recording.inputs["extra_body"] == {"team": "a"}
    assert envelope(replay(recording, {**ASK, "extra_body": {"team": "a"}}))["status"] == "success"


class Scribbler(Vendor):
    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        request.inputs["extra_body"]["seen"] = len
        yield Delta(text="Hello.")
        yield Finish()


def test_a_call_that_failed_is_not_recorded() -> None:
    tape = Tape()
    inputs = {**ASK, "messages": [{"role": "user", "content": "fail"}]}
    events = played(Request(config=config(tape=tape), inputs=inputs, mode="real"))
    assert envelope(events)["error"]["code"] == "ERR_QUOTA"
    assert tape.kept() == ([], 0)


def test_a_mock_call_is_not_recorded() -> None:
    tape = Tape()
    played(Request(config=ProviderConfig(provider="mock", tape=tape), inputs=ASK))
    assert tape.kept() == ([], 0)


# -- misses --


def test_a_miss_shows_the_difference_to_the_nearest_recording() -> None:
    (_, far), (_, near) = record({**ASK, "messages": [{"role": "user", "content": "x y z"}]}), record()
    told = config(replay=Recordings([far, near]))
    inputs = {**ASK, "messages": [{"role": "user", "content": "Say goodbye."}]}
    error = envelope(played(Request(config=told, inputs=inputs, mode="mock")))["error"]
    assert (error["code"], error["retryable"]) == ("ERR_REPLAY_MISS", False)
    assert near.file_name in error["message"]
    assert (
        '-      "content": "Say hello."' in error["message"] and '+      "content": "Say goodbye."' in error["message"]
    )
    assert error["hint"] == Remedy.RECORD


def test_the_difference_of_a_long_request_is_cut_short() -> None:
    _, recording = record()
    inputs = {**ASK, "messages": [{"role": "user", "content": "y" * 100_000}] * 200}
    error = envelope(replay(recording, inputs))["error"]
    assert len(error["message"]) < 10_000 and "lines more" in error["message"]


# -- files that are none --


def edited(recording: Recording, path: str, value: Any) -> str:
    """The recording's file with another value at a path of keys and positions; `...` takes away what is there."""
    document = json.loads(recording.text())
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    node = document
    for part in way:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("schema", "x", '$.schema'),
        ("schema", ..., "$: 'schema' is missing"),
        ("key", "abc", "$.key"),
        ("key", 5, "$.key: found 5, expected string"),
        ("operation", "foo", '$.operation: found "foo"'),
        ("model", 5, "$.model: found 5, expected string"),
        ("inputs", [1], "$.inputs: found [1], expected object"),
        ("note", 1, "$: unknown key 'note'"),
        ("events", [], "$.events"),
        ("events", {}, "$.events: found {}, expected array"),
        ("events.0", {"gift": {}}, "$.events[0]: unknown key 'gift'"),
        ("events.0", {}, "$.events[0]"),
        ("events.0", {"delta": {}, "finish": {"reason": "stop"}}, "$.events[0]"),
        ("events.0.delta.text", 5, "$.events[0].delta.text: found 5, expected string"),
        ("events.0.delta.choice", -1, "$.events[0].delta.choice"),
        ("events.0.delta.choice", "x", "$.events[0].delta.choice"),
        ("events.0.delta.txt", "a", "$.events[0].delta: unknown key 'txt', did you mean 'text'?"),
        ("events.0.delta.tool_call", "x", "$.events[0].delta.tool_call"),
        ("events.0.delta.tool_call", {"index": "x"}, "$.events[0].delta.tool_call.index"),
        ("events.0", {"usage": {"cost_usd": "1"}}, "$.events[0].usage.cost_usd"),
        ("events.0", {"usage": {"input_tokens": -1}}, "$.events[0].usage.input_tokens"),
        ("events.0", {"finish": {"reason": 5}}, "$.events[0].finish.reason"),
        ("events.0", {"output": {"name": 5, "media_type": "a/b", "value": ""}}, "$.events[0].output.name"),
        ("events.0", {"output": {"name": "a", "media_type": "a/b", "value": {}}}, "$.events[0].output.value"),
        ("events.0", {"output": {"name": "a", "media_type": "a/b"}}, "$.events[0].output: 'value' is missing"),
        ("operation", "embeddings", "$.events"),
        ("inputs.messages.0.content", "Say good-bye.", "$.key: found another than that of its operation and inputs"),
    ],
)  # fmt: skip
def test_an_edited_file_that_is_no_recording_is_named_with_the_place_and_what_is_wrong(
    tmp_path: Path, path: str, value: Any, says: str
) -> None:
    _, recording = record()
    (tmp_path / "a.json").write_text(edited(recording, path, value))
    with pytest.raises(ProviderError) as caught:
        read_recordings(tmp_path)
    assert caught.value.code == "ERR_RECORDING"
    assert f"a.json: {says}" in caught.value.message


@pytest.mark.parametrize(("text", "says"), [("{", "not JSON"), ("[]", "found [], expected object")])
def test_a_file_that_is_something_else_is_no_recording(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ProviderError, match=r"a\.json") as caught:
        read_recordings(tmp_path)
    assert caught.value.code == "ERR_RECORDING" and says in caught.value.message


def test_an_answer_may_be_edited(tmp_path: Path) -> None:
    _, recording = record()
    (tmp_path / "a.json").write_text(edited(recording, "events.0.delta.text", "Good "))
    (read,) = read_recordings(tmp_path)
    assert envelope(replay(read))["outputs"] != envelope(replay(recording))["outputs"]


def test_a_miss_without_a_visible_difference_says_why(tmp_path: Path) -> None:
    _, recording = record({**ASK, "stop": FILE_VALUE})
    error = envelope(replay(through_a_file(recording, tmp_path), {**ASK, "stop": "[OTHER]"}))["error"]
    assert error["code"] == "ERR_REPLAY_MISS" and "secret's value" in error["message"]


def test_a_folder_without_recordings_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ProviderError) as caught:
            read_recordings(folder)
        assert caught.value.code == "ERR_RECORDING" and str(folder) in caught.value.message


def test_two_files_of_the_same_exchange_are_an_error(tmp_path: Path) -> None:
    _, recording = record()
    (file,) = write_recordings(tmp_path, [recording])
    (tmp_path / "copy.json").write_bytes(file.read_bytes())
    with pytest.raises(ProviderError, match="same exchange"):
        read_recordings(tmp_path)


def test_many_may_write_the_same_recording_at_once(tmp_path: Path) -> None:
    _, recording = record()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write_recordings(tmp_path, [recording]), range(200)))
    assert [path.name for path in tmp_path.iterdir()] == [recording.file_name]
    assert list(read_recordings(tmp_path)) == [recording]


# -- the tape of an instance --


def test_a_tape_forgets_what_was_taken_and_keeps_what_came_since() -> None:
    tape, (_, recording) = Tape(), record()
    tape.add(recording)
    _, upto = tape.kept()
    tape.add(recording)
    tape.forget(upto)
    assert tape.kept() == ([recording], 2)


def test_with_a_full_tape_a_paid_call_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 100)
    tape, (_, recording) = Tape(), record()
    tape.add(recording)
    events = played(Request(config=config(tape=tape, ref="acme/x@1"), inputs=ASK, mode="real"))
    assert len(events) == 1
    error = envelope(events)["error"]
    assert (error["code"], error["hint"]) == ("ERR_OVERLOADED", Remedy.RECORDINGS)
    tape.forget(1)
    assert envelope(played(Request(config=config(tape=tape), inputs=ASK, mode="real")))["status"] == "success"


def test_a_server_is_told_the_recordings_and_whether_to_record() -> None:
    _, recording = record({**ASK, "extra_body": json.loads("[" * 97 + "]" * 97)})
    told = ServerConfig(provider=config(replay=Recordings([recording]), tape=Tape()), token="t" * 32)
    loaded = ServerConfig.load(told.dump()).provider
    assert loaded.replay is not None and list(loaded.replay) == [recording]
    assert loaded.tape is not None and loaded.tape.kept() == ([], 0)
    assert loaded.hidden["OTHER"] == FILE_VALUE
    assert FILE_VALUE not in repr(loaded)


# -- in Python --


def test_the_mode_alone_decides_whether_a_call_is_recorded_or_replayed(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"

    def ask(mode: Mode, text: str = "Say hello.") -> Any:
        inputs = {**ASK, "messages": [{"role": "user", "content": text}]}
        secrets = {"ACME_KEY": KEY}
        return run(inputs, provider=PROVIDER, mode=mode, secrets=secrets, record=folder, replay=replayed)

    replayed: Path | None = None
    real = ask("real")
    replayed = folder
    assert ask("mock")["outputs"] == real["outputs"]
    with pytest.raises(ProviderError) as caught:
        ask("mock", "Something else.")
    assert caught.value.code == "ERR_REPLAY_MISS"


def test_a_folder_that_cannot_be_made_costs_no_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProviderError) as caught:
        run(ASK, provider=f"{HERE}:Never", mode="real", secrets={"ACME_KEY": KEY}, record=tmp_path / "file" / "x")
    assert caught.value.code == "ERR_OUTPUT"


class Never(Vendor):
    def stream(self, request: Request) -> AsyncGenerator[Event]:
        raise AssertionError("called for nothing")
