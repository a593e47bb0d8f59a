"""Files of recordings: what is no recording is named with its place."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.mocks.recorded import ASK, FILE_VALUE, envelope, record, replay, through_a_file
from theoryctl_providers import (
    ProviderError,
)
from theoryctl_providers.contract import (
    Recording,
    write_recordings,
)
from theoryctl_providers.mock.recording_files import read_recordings


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
        ("key", 5, "$.key: expected a string, got 5"),
        ("operation", "foo", '$.operation: expected "'),
        ("model", 5, "$.model: expected a string, got 5"),
        ("inputs", [1], "$.inputs: expected an object, got [1]"),
        ("note", 1, "$: unknown key 'note'"),
        ("events", [], "$.events"),
        ("events", {}, "$.events: expected an array, got {}"),
        ("events.0", {"gift": {}}, "$.events[0]: unknown key 'gift'"),
        ("events.0", {}, "$.events[0]"),
        ("events.0", {"delta": {}, "finish": {"reason": "stop"}}, "$.events[0]"),
        ("events.0.delta.text", 5, "$.events[0].delta.text: expected a string, got 5"),
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
        ("inputs.messages.0.content", "Say good-bye.", "$.key: expected sha256:"),
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


@pytest.mark.parametrize(("text", "says"), [("{", "not JSON"), ("[]", "expected an object, got []")])
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
