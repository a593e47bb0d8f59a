"""Real mode behind the OpenAI routes: the vendor's answers pass through, its key does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.conftest import REF
from tests.openai.conftest import MakeClient, Variables, theoryctl
from tests.real.conftest import CANARY
from tests.real.vendor import Vendor, answers, echoes_the_key, fails, fails_midway, first

ASK: list[Any] = [{"role": "user", "content": "Say hello."}]
StartReal = Callable[[Vendor], openai.OpenAI]


@pytest.fixture
def start_real(home: Variables, tmp_path: Path, make_client: MakeClient) -> Iterator[StartReal]:
    """An instance in real mode whose vendor is this one, and a client of it that does not try again."""
    env = {**home, "HOME": str(tmp_path)}

    def start(vendor: Vendor) -> openai.OpenAI:
        keys = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        theoryctl("local", "start", "--ref", REF, "--runtime", "process", "--mode", "real", env={**env, **keys})
        return make_client(theoryctl("local", "env", "--ref", REF, env=env)["variables"], max_retries=0)

    yield start
    theoryctl("local", "stop", "--all", env=env)


def test_the_vendors_answer_passes_through_and_its_model_needs_no_prefix(start_real: StartReal) -> None:
    with Vendor(answers("Hel", "lo!")) as vendor:
        client = start_real(vendor)
        whole = client.chat.completions.create(model="gpt-4o-mini", messages=ASK, store=True)
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
        response = client.responses.create(model="gpt-4o-mini", input="Say hello.")
        mocked = client.chat.completions.create(
            model="gpt-4o-mini", messages=ASK, extra_headers={"X-Theoryctl-Mode": "mock"}
        )
    assert (whole.choices[0].message.content, response.output_text) == ("Hello!", "Hello!")
    assert [piece for piece in pieces if piece] == ["Hel", "lo!"]
    assert whole.usage is not None and whole.usage.total_tokens == 12
    assert whole.id != response.id.replace("resp_", "chatcmpl-")
    assert whole.created > 1_700_000_000
    assert (mocked.choices[0].message.content or "").startswith("Mock answer")
    assert [request.body["model"] for request in vendor.requests] == ["gpt-4o-mini"] * 3
    assert vendor.requests[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_answer_could_not_carry_is_refused_before_a_vendor_is_paid_for_it(
    start_real: StartReal, asked: dict[str, Any], param: str
) -> None:
    with (
        Vendor(answers("Hello!")) as vendor,
        pytest.raises(openai.BadRequestError, match=f"leave {param} out") as caught,
    ):
        start_real(vendor).chat.completions.create(model="gpt-4o-mini", messages=ASK, **asked)
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")
    assert vendor.requests == []


def test_embeddings_come_from_the_vendor(start_real: StartReal) -> None:
    with Vendor() as vendor:
        client = start_real(vendor)
        two = client.embeddings.create(model="text-embedding-3-small", input=["ab", "abcd"], dimensions=2)
        one = client.embeddings.create(model="text-embedding-3-small", input="x", encoding_format="float")
    assert [item.embedding for item in two.data] == [[2.0, 0.5], [4.0, 0.5]]
    assert (one.data[0].embedding, one.usage.prompt_tokens) == ([1.0, 0.5], 7)
    assert vendor.requests[0].body["dimensions"] == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
    ],
)
def test_a_vendors_refusal_has_its_class_and_not_the_key(
    start_real: StartReal, status: int, error: type[openai.APIStatusError]
) -> None:
    with Vendor(fails(status)) as vendor, pytest.raises(error) as caught:
        start_real(vendor).chat.completions.create(model="gpt-4o-mini", messages=ASK)
    assert CANARY not in str(caught.value)


def test_a_vendor_that_is_busy_for_long_has_its_retry_after_passed_on(start_real: StartReal) -> None:
    with Vendor(fails(429, retry_after="3600")) as vendor, pytest.raises(openai.RateLimitError) as caught:
        start_real(vendor).chat.completions.create(model="gpt-4o-mini", messages=ASK)
    assert caught.value.response.headers["retry-after"] == "3600"


def test_a_failure_in_the_middle_is_raised_after_what_came(start_real: StartReal) -> None:
    came = []
    with Vendor(first(1, fails_midway)) as vendor, pytest.raises(openai.APIError):
        stream = start_real(vendor).chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True)
        for chunk in stream:
            came.append(chunk.choices[0].delta.content)
    assert came == [None, "Hel"]


def test_a_key_that_the_vendor_repeats_does_not_come_back(start_real: StartReal) -> None:
    with Vendor(echoes_the_key(4, 11)) as vendor:
        client = start_real(vendor)
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=ASK)
        streamed = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=ASK, stream=True)
        texts = [raw.text, b"".join(streamed.http_response.iter_raw()).decode()]
    assert [text for text in texts if CANARY in text] == []
    assert all("[OPENAI_API_KEY]" in text for text in texts[:1])
    assert CANARY not in str(os.environ)
