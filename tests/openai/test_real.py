"""Real mode behind the OpenAI routes: the vendor's answers pass through, its key does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.conftest import REF
from tests.openai.asking import Asked
from tests.openai.conftest import Variables, theoryctl
from tests.real.conftest import CANARY
from tests.real.server import Behaviour
from tests.real.vendor import Vendor, answers, echoes_the_key, fails, fails_midway

ASK: list[Any] = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def asked(home: Variables, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A client, which does not try again, of an instance that was started in real mode, with its vendor's address."""
    env = {**home, "HOME": str(tmp_path_factory.mktemp("home"))}
    made: list[Asked] = []
    with Vendor(lambda talk: made[0].says(talk)) as vendor:
        keys = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        theoryctl("local", "start", "--ref", REF, "--runtime", "process", "--mode", "real", env={**env, **keys})
        told = theoryctl("local", "env", "--ref", REF, env=env)["variables"]
        try:
            with openai.OpenAI(
                base_url=told["OPENAI_BASE_URL"], api_key=told["OPENAI_API_KEY"], max_retries=0
            ) as client:
                made.append(Asked(vendor, client))
                yield made[0]
        finally:
            theoryctl("local", "stop", "--all", env=env)


def once(behaviour: Behaviour) -> Behaviour:
    """This behaviour, and an answer to whoever asks again."""
    left = [behaviour]
    return lambda talk: (left.pop() if left else answers())(talk)


def test_the_vendors_answer_passes_through_and_its_model_needs_no_prefix(asked: Asked) -> None:
    client = asked.after(answers("Hel", "lo!"))
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
    assert [request.body["model"] for request in asked.requests] == ["gpt-4o-mini"] * 3
    assert asked.requests[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize(
    ("inputs", "param"),
    [
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_answer_could_not_carry_is_refused_before_a_vendor_is_paid_for_it(
    asked: Asked, inputs: dict[str, Any], param: str
) -> None:
    client = asked.after(answers("Hello!"))
    with pytest.raises(openai.BadRequestError, match=f"leave {param} out") as caught:
        client.chat.completions.create(model="gpt-4o-mini", messages=ASK, **inputs)
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")
    assert asked.requests == []


def test_embeddings_come_from_the_vendor(asked: Asked) -> None:
    client = asked.after(answers())
    two = client.embeddings.create(model="text-embedding-3-small", input=["ab", "abcd"], dimensions=2)
    one = client.embeddings.create(model="text-embedding-3-small", input="x", encoding_format="float")
    assert [item.embedding for item in two.data] == [[2.0, 0.5], [4.0, 0.5]]
    assert (one.data[0].embedding, one.usage.prompt_tokens) == ([1.0, 0.5], 7)
    assert asked.requests[0].body["dimensions"] == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
    ],
)
def test_a_vendors_refusal_has_its_class_and_not_the_key(
    asked: Asked, status: int, error: type[openai.APIStatusError]
) -> None:
    client = asked.after(fails(status))
    with pytest.raises(error) as caught:
        client.chat.completions.create(model="gpt-4o-mini", messages=ASK)
    assert CANARY not in str(caught.value)


def test_a_vendor_that_is_busy_for_long_has_its_retry_after_passed_on(asked: Asked) -> None:
    client = asked.after(fails(429, retry_after="3600"))
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt-4o-mini", messages=ASK)
    assert caught.value.response.headers["retry-after"] == "3600"


def test_a_failure_in_the_middle_is_raised_after_what_came(asked: Asked) -> None:
    came = []
    client = asked.after(once(fails_midway))
    with pytest.raises(openai.APIError):
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True)
        for chunk in stream:
            came.append(chunk.choices[0].delta.content)
    assert came == [None, "Hel"]


def test_a_key_that_the_vendor_repeats_does_not_come_back(asked: Asked) -> None:
    client = asked.after(echoes_the_key(4, 11))
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=ASK)
    streamed = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=ASK, stream=True)
    texts = [raw.text, b"".join(streamed.http_response.iter_raw()).decode()]
    assert [text for text in texts if CANARY in text] == []
    assert all("[OPENAI_API_KEY]" in text for text in texts[:1])
    assert CANARY not in str(os.environ)
