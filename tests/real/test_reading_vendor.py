"""The vendor that answered, in the envelope and in a recording."""

from __future__ import annotations

import json
import threading

import pytest

from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, OPENAI, Ask, Asked
from tests.real.dialects import whole_answer
from tests.real.reading import EXPECTED, STREAMS, choice, chunks, completion
from tests.real.server import Conversation
from tests.real.vendor import Vendor, says, says_events
from theoryctl_providers import stream
from theoryctl_providers.contract import Delta, ProviderConfig, Recording, Recordings, Request, Result, Tape, VendorInfo
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]
LIMITS = {"x_ratelimit_remaining_requests": "41", "x_request_id": "req_1", "set_cookie": "a=b"}
TOLD = {"x-ratelimit-remaining-requests": "41", "x-request-id": "req_1"}


# -- who answered -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_the_envelope_says_who_answered(asked: Asked, streamed: bool) -> None:
    more = {"system_fingerprint": "fp_1", "service_tier": "default"}
    whole, events = (
        completion(choice({"content": "Hi"}), **more),
        [{**chunk, **more} for chunk in chunks({"content": "Hi"})],
    )
    behaviour = says_events(events, **LIMITS) if streamed else says(whole, **LIMITS)
    assert asked(behaviour, streamed=streamed).envelope["meta"]["vendor"] == {
        "model": "m-2024",
        **more,
        "headers": TOLD,
    }


@pytest.mark.parametrize("name", ["model", "system_fingerprint", "service_tier"])
def test_a_name_that_is_not_unicode_is_not_told_and_the_answer_stays(asked: Asked, name: str) -> None:
    envelope = asked(says({**completion(choice({"content": "Hi"})), name: "\ud800x"}), streamed=False).envelope
    told = dict(envelope["meta"]["vendor"] or {})
    assert (envelope["outputs"][0].get("text"), told[name]) == ("Hi", None)


def test_a_failure_says_the_rate_limits_too(ask: Ask) -> None:
    with Vendor(lambda talk: talk.send(400, b"{}", **LIMITS)) as vendor:
        told = ask(vendor.addresses).envelope["meta"]["vendor"]
    assert told is not None and told["headers"] == TOLD


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_who_answers_is_told_before_the_first_word(ask: Ask, model: str) -> None:
    def behave(talk: Conversation) -> None:
        first, *others = whole_answer(talk.dialect, ["Hi"])
        talk.begin_stream()
        talk.write(first)
        assert told.wait(20)  # the vendor says no word before that
        for event in others:
            talk.write(event)
        talk.end_stream()

    told = threading.Event()
    with Vendor(behave) as vendor:
        secrets = {**vendor.addresses, "OPENAI_API_KEY": CANARY, "ANTHROPIC_API_KEY": CANARY}
        inputs = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        kinds = []
        for event in stream(inputs, mode="real", provider="litellm", secrets=secrets):
            kinds.append(type(event))
            if isinstance(event, VendorInfo):
                told.set()
    assert kinds.index(VendorInfo) < kinds.index(Delta)


# -- recordings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPECTED)
def test_what_was_recorded_is_replayed_with_everything_in_it(asked: Asked, name: str) -> None:
    tape = Tape()
    real = asked(says_events(STREAMS[name], **LIMITS), tape=tape)
    (recording,), _ = tape.kept()
    replay = Recordings([Recording.load(json.loads(recording.text()))])
    config = ProviderConfig(provider="litellm", replay=replay)
    request = Request(config=config, inputs={"model": recording.model, **recording.inputs}, mode="mock")
    result = list(drive(execute(request)))[-1]
    assert isinstance(result, Result)
    assert (result.envelope["outputs"], result.envelope["usage"], result.envelope["meta"]["vendor"]) == (
        real.envelope["outputs"], real.envelope["usage"], real.envelope["meta"]["vendor"])  # fmt: skip
