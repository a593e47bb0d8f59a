"""Embeddings: the mock's vectors, and those of a real vendor, through OpenAI's own client."""

from __future__ import annotations

import json
import math
from typing import Any

import openai
import pytest

from tests.openai.conftest import MakeClient, StartProvider
from theoryctl_providers.mock.embeddings import embed

pytestmark = pytest.mark.usefixtures("pointed")

MODEL = "text-embedding-3-small"


def vectors(client: openai.OpenAI, *texts: str, **more: Any) -> list[list[float]]:
    answer = client.embeddings.create(model=more.pop("model", MODEL), input=list(texts), **more)
    assert [item.index for item in answer.data] == list(range(len(texts)))
    return [item.embedding for item in answer.data]


def likeness(one: list[float], other: list[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


def test_a_vector_has_length_1_and_as_many_numbers_as_the_model_or_the_request_says(client: openai.OpenAI) -> None:
    for options, size in (({}, 1536), ({"model": "text-embedding-3-large"}, 3072), ({"dimensions": 8}, 8)):
        (vector,) = vectors(client, "a dog ran", **options)
        assert len(vector) == size
        assert math.isclose(likeness(vector, vector), 1, abs_tol=1e-6)


def test_numbers_and_base64_say_the_same(client: openai.OpenAI) -> None:
    assert vectors(client, "a dog ran", encoding_format="float") == vectors(client, "a dog ran")


def test_the_same_text_gets_the_same_vector_and_another_text_another(client: openai.OpenAI) -> None:
    one, again, other, turned = vectors(client, "a dog ran", "a dog ran", "a cat sat", "ran a dog")
    assert one == again
    assert one != other
    assert one != turned


def test_texts_that_share_words_are_nearer_than_those_that_do_not(client: openai.OpenAI) -> None:
    asked, near, far = vectors(
        client, "Where does the DOG sleep?", "The dog sleeps in a dog basket.", "Stocks fell again."
    )
    assert likeness(asked, near) > likeness(asked, far) + 0.1


def test_tokens_are_taken_as_texts_are(client: openai.OpenAI) -> None:
    one = client.embeddings.create(model=MODEL, input=[1, 2, 3])
    two = client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4]])
    written_otherwise: Any = [[1.0, 2, 3.0]]
    three = client.embeddings.create(model=MODEL, input=written_otherwise)
    four = client.embeddings.create(model=MODEL, input=written_otherwise[0])
    assert one.data[0].embedding == two.data[0].embedding == three.data[0].embedding == four.data[0].embedding
    assert (len(two.data), two.usage.prompt_tokens) == (2, 4)


def test_words_that_cancel_each_other_out_still_have_a_vector() -> None:
    lengths = [likeness(vector, vector) for vector in (embed(f"w{number}", 1) for number in range(50))]
    assert lengths == [1.0] * 50


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [1.5]}, "input[0]"),
        ({"dimensions": 0}, "dimensions"),
        ({"user": 1}, "user"),
    ],
    ids=json.dumps,
)
def test_what_is_wrong_is_named(client: openai.OpenAI, asked: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(**{"model": MODEL, "input": "x", **asked})
    assert caught.value.param == param


CHATS = """\
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta

class Provider(LLMProvider):
    async def stream(self, request):
        yield Delta(text="words")
"""


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (CHATS, openai.BadRequestError, "does not do embeddings"),
        (
            CHATS.replace("    async", '    operations = ("embeddings",)\n    async'),
            openai.InternalServerError,
            "gave no",
        ),
    ],
    ids=["only chats", "says words"],
)
def test_a_provider_without_embeddings_is_told(
    start_provider: StartProvider, make_client: MakeClient, source: str, error: type[Exception], words: str
) -> None:
    client = make_client(start_provider(source), max_retries=0)
    with pytest.raises(error, match=words):
        client.embeddings.create(model="m", input="x")


EMBEDS = """\
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Output

class Provider(LLMProvider):
    operations = ("embeddings",)

    async def stream(self, request):
        yield Output("embeddings", "application/json", [[1.0]])
"""


def test_usage_that_nobody_said_is_null(start_provider: StartProvider, make_client: MakeClient) -> None:
    usage = make_client(start_provider(EMBEDS)).embeddings.create(model="m", input="x").usage
    assert (usage.prompt_tokens, usage.total_tokens) == (None, None)
