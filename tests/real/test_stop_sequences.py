"""The stop sequence that ended a vendor's answer, in the envelope, a recording and a replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import ANTHROPIC, LITELLM_WARNINGS, Ask, Asked
from tests.real.reading import HEAD, choice, completion
from tests.real.said import Said
from tests.real.vendor import Vendor, says, says_events
from tests.wires.conftest import tells
from theoryctl_providers import run
from theoryctl_providers.contract import Tape, write_recordings

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]
streamed_or_not = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
STOPPED = {"answer": "One, two", "finish_reason": "stop", "stop_sequence": ", three"}


@streamed_or_not
def test_anthropics_is_an_output_and_stays_in_a_recording(ask: Ask, streamed: bool, tmp_path: Path) -> None:
    tape = Tape()
    with Vendor(tells(Said(text=["One, ", "two"], stop=", three"))) as vendor:
        call = ask(vendor.addresses, ANTHROPIC, streamed=streamed, stop=[", three"], tape=tape)
    assert call.outputs == STOPPED
    (recording,), _ = tape.kept()
    write_recordings(tmp_path, [recording])
    again = run(recording.inputs, replay=tmp_path)
    assert again["outputs"] == call.envelope["outputs"]


@streamed_or_not
def test_an_answer_that_anthropic_ended_itself_has_none(ask: Ask, streamed: bool) -> None:
    with Vendor(tells(Said(text=["One, ", "two"]))) as vendor:
        outputs = ask(vendor.addresses, ANTHROPIC, streamed=streamed, stop=[", three"]).outputs
    assert outputs == {"answer": "One, two", "finish_reason": "stop"}


@streamed_or_not
@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(("said", "told"), [("END", "END"), ("stop", None), (128009, None), (None, None), ([], None)])
def test_a_server_on_openais_wire_may_name_the_one_that_it_met(
    asked: Asked, streamed: bool, field: str, said: Any, told: str | None
) -> None:
    whole = completion(choice({"content": "Hi"}, **{field: said}))
    ended = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop", field: said}
    answer = says_events([{**HEAD, "choices": [ended]}]) if streamed else says(whole)
    assert asked(answer, streamed=streamed, stop=["END", "."]).outputs.get("stop_sequence") == told


def test_an_answer_that_was_cut_at_its_limit_met_none(asked: Asked) -> None:
    whole = completion(choice({"content": "Hi"}, "length", stop_reason="END"))
    assert "stop_sequence" not in asked(says(whole), streamed=False, stop="END").outputs
