"""Responses, files and batches of one test: another one on the same server neither sees nor changes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from theoryctl_providers.testing.instance import Instance, instances


def answers(text: str) -> dict[str, Any]:
    return {"rules": [{"answers": [{"text": text}]}]}


@contextmanager
def client_of(instance: Instance) -> Iterator[openai.OpenAI]:
    url = instance.env["OPENAI_BASE_URL"]
    with openai.OpenAI(base_url=url, api_key=instance.token, max_retries=0) as client:
        yield client


@pytest.fixture
def two() -> Iterator[tuple[Instance, Instance]]:
    """Two tests on one server."""
    with instances() as make, make() as one, make() as other:
        yield one, other


def test_a_response_is_remembered_for_its_own_test(two: tuple[Instance, Instance]) -> None:
    one, other = two
    one.script(answers("mine"))
    with client_of(one) as mine, client_of(other) as theirs:
        said = mine.responses.create(model="m", input="Hi.")
        with pytest.raises(openai.NotFoundError):
            theirs.responses.retrieve(said.id)
        with pytest.raises(openai.BadRequestError, match="there is no response"):
            theirs.responses.create(model="m", input="Go on.", previous_response_id=said.id)
        # The same input has the same id.
        assert theirs.responses.create(model="m", input="Hi.").id == said.id
        theirs.responses.delete(said.id)
        assert mine.responses.retrieve(said.id).output_text == "mine"
        assert mine.responses.create(model="m", input="Go on.", previous_response_id=said.id).output_text == "mine"


def test_the_lines_of_a_batch_are_answered_by_the_script_of_their_test(two: tuple[Instance, Instance]) -> None:
    one, other = two
    one.script(answers("mine"))
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi."}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    with client_of(one) as mine, client_of(other) as theirs:
        file = mine.files.create(file=json.dumps(line).encode(), purpose="batch")
        asked: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": file.id}
        with pytest.raises(openai.NotFoundError):
            theirs.batches.create(**asked)
        batch = mine.batches.create(**asked)
        written = json.loads(mine.files.content(batch.output_file_id or "").text)
        assert written["response"]["body"]["choices"][0]["message"]["content"] == "mine"
        assert (theirs.files.list().data, theirs.batches.list().data) == ([], [])
    assert one.unused == []
