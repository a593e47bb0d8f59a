"""Recordings in the engine: what is in one, what never is, and that a replay is the same to the byte."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NO_DETAILS
from tests.mocks.recorded import (
    ADDRESS,
    ASK,
    FILE_VALUE,
    HERE,
    KEY,
    PROVIDER,
    config,
    envelope,
    played,
    record,
    replay,
    through_a_file,
)
from theoryctl_providers import (
    Attachment,
    ProviderConfig,
    ProviderError,
    Request,
    run,
)
from theoryctl_providers.contract import (
    Delta,
    Finish,
    Log,
    Mode,
    Recording,
    Recordings,
    Remedy,
    Result,
    ServerConfig,
    Started,
    Tape,
    write_recordings,
)
from theoryctl_providers.contract import recordings as module


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


def test_what_people_are_told_on_the_way_is_no_part_of_a_recording() -> None:
    events, recording = record(provider=f"{HERE}:Limited")
    assert any(isinstance(event, Log) and "trying again" in event.message for event in events)
    assert [type(event) for event in recording.events] == [Delta, Finish]


def test_the_answers_to_equal_requests_are_replayed_in_their_order_and_then_the_last_one() -> None:
    _, first = record()
    second = replace(first, number=2, events=(Delta(text="The second."), Finish()))
    told = config(replay=Recordings([second, first]), secrets={}, hidden={})
    answers = [envelope(played(Request(config=told, inputs=ASK)))["outputs"][0]["text"] for _ in range(3)]
    assert answers[0].startswith("Hello ")
    assert answers[1:] == ["The second.", "The second."]


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


# -- the tape of an instance --


def test_a_tape_forgets_what_was_taken_and_keeps_what_came_since() -> None:
    tape, (_, recording) = Tape(), record()
    tape.add(recording)
    _, upto = tape.kept()
    tape.add(recording)
    tape.forget(upto)
    assert tape.kept() == ([replace(recording, number=2)], 2)


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


@pytest.mark.parametrize("mode", ["mock", None])
def test_a_mock_that_should_be_recorded_is_refused_and_makes_no_folder(mode: Mode | None, tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="record: mock mode has nothing to record") as caught:
        run(ASK, provider=PROVIDER, mode=mode, record=tmp_path / "recordings")
    assert (caught.value.code, list(tmp_path.iterdir())) == ("ERR_USAGE", [])


def test_a_folder_that_cannot_be_made_costs_no_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProviderError) as caught:
        run(ASK, provider=f"{HERE}:Never", mode="real", secrets={"ACME_KEY": KEY}, record=tmp_path / "file" / "x")
    assert caught.value.code == "ERR_OUTPUT"
