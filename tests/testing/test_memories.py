"""Responses, files and batches of one test by one wire: another test on the same server neither sees nor changes them,
and neither does another wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.wires.test_openai_sameness import at_azures_paths, client_of
from theoryctl_providers.testing.instance import Instance, instances


def answers(text: str) -> dict[str, Any]:
    return {"rules": [{"answers": [{"text": text}]}]}


Client = Callable[[Instance], openai.OpenAI]


def by_openai(instance: Instance) -> openai.OpenAI:
    return client_of(instance.url, instance.token)


def by_azure(instance: Instance) -> openai.OpenAI:
    return at_azures_paths(instance.url, instance.token)


#: The clients of the wires that remember.
WIRES: tuple[Client, ...] = (by_openai, by_azure)

every_wire = pytest.mark.parametrize("client", WIRES)
every_pair = pytest.mark.parametrize(("client", "beside"), [WIRES, WIRES[::-1]])


def batch_of(client: openai.OpenAI) -> Any:
    """A batch of one line, as it was when it was made."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi."}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = client.files.create(file=json.dumps(line).encode(), purpose="batch")
    asked: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": file.id}
    return client.batches.create(**asked)


def answer_of(client: openai.OpenAI, batch: Any) -> str:
    """The answer of the only line of a batch, by the id of its output."""
    written = json.loads(client.files.content(batch.output_file_id).text)
    content: str = written["response"]["body"]["choices"][0]["message"]["content"]
    return content


@pytest.fixture
def two() -> Iterator[tuple[Instance, Instance]]:
    """Two tests on one server."""
    with instances() as make, make() as one, make() as other:
        yield one, other


@every_wire
def test_a_response_is_remembered_for_its_own_test(two: tuple[Instance, Instance], client: Client) -> None:
    one, other = two
    one.script(answers("mine"))
    with client(one) as mine, client(other) as theirs:
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


@every_wire
def test_the_lines_of_a_batch_are_answered_by_the_script_of_their_test(
    two: tuple[Instance, Instance], client: Client
) -> None:
    one, other = two
    one.script(answers("mine"))
    with client(one) as mine, client(other) as theirs:
        batch = batch_of(mine)
        asked: Any = {"endpoint": batch.endpoint, "completion_window": "24h", "input_file_id": batch.input_file_id}
        with pytest.raises(openai.NotFoundError):
            theirs.batches.create(**asked)
        assert answer_of(mine, batch) == "mine"
        assert (theirs.files.list().data, theirs.batches.list().data) == ([], [])
    assert one.unused == []


@every_pair
def test_a_response_of_one_wire_is_none_of_anothers(
    two: tuple[Instance, Instance], client: Client, beside: Client
) -> None:
    one, _ = two
    with client(one) as mine, beside(one) as others:
        # One model on both wires: the ids are the same.
        said = mine.responses.create(model="openai/m", input="Hi.")
        with pytest.raises(openai.NotFoundError):
            others.responses.retrieve(said.id)
        assert others.responses.create(model="openai/m", input="Hi.").id == said.id
        others.responses.delete(said.id)
        assert mine.responses.retrieve(said.id).output_text == said.output_text


@every_pair
def test_a_batch_of_one_wire_is_none_of_anothers(
    two: tuple[Instance, Instance], client: Client, beside: Client
) -> None:
    one, _ = two
    with client(one) as mine, beside(one) as others:
        batch = batch_of(mine)
        told = answer_of(mine, batch)
        same = batch_of(others)
        assert (same.id, same.input_file_id) == (batch.id, batch.input_file_id)
        assert (mine.batches.retrieve(batch.id), answer_of(mine, batch)) == (batch, told)
        others.files.delete(batch.input_file_id)
        assert {file.id for file in mine.files.list()} == {batch.input_file_id, batch.output_file_id}
