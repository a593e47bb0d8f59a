"""Recordings in their order, and vendors asked only for what is not recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.providers.started import ASK
from theoryctl_providers.contract import Delta, Finish, ProviderConfig, Recording, Recordings, Request, Result, Tape
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.inputs.normalize import normalized
from theoryctl_providers.inputs.validate import chat_schema


def recording(text: str, number: int = 1, asked: dict[str, Any] = ASK) -> Recording:
    """An answer of OpenAI's to a chat."""
    key, events = Recording.key_for("chat", normalized(asked, chat_schema(), None)), (Delta(text=text), Finish())
    return Recording(key=key, operation="chat", model="openai/gpt-4o-mini", inputs=asked, events=events, number=number)


def asked(config: ProviderConfig) -> Result:
    *_, last = drive(execute(Request(config=config, inputs=ASK)))
    assert isinstance(last, Result)
    return last


def test_answers_to_one_request_come_in_their_order_and_the_last_again() -> None:
    config = ProviderConfig(provider="litellm", replay=Recordings([recording("second", 2), recording("first")]))
    texts = [asked(config).envelope["outputs"][0].get("text") for _ in range(3)]
    assert texts == ["first", "second", "second"]


def test_equal_exchanges_on_a_tape_have_files_of_their_own() -> None:
    tape = Tape()
    names = [tape.add(recording(text)).file_name for text in "ab"]
    assert names[1] == names[0].replace(".json", ".2.json")
    kept, _ = tape.kept()
    assert [Recording.load(each.dump()) for each in kept] == kept


def test_what_is_recorded_needs_no_key_and_what_is_missing_does() -> None:
    config = ProviderConfig(provider="litellm", mode="real", replay=Recordings([recording("kept")]), tape=Tape())
    result = asked(config)
    assert (result.envelope["mode"], result.answered_by) == ("mock", recording("kept").file_name)
    missing = asked(replace(config, replay=Recordings([])))
    assert missing.cause is not None and missing.cause.code == "ERR_MISSING_SECRET"
