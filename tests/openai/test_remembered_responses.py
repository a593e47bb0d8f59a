"""Responses that an instance remembers, by OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.providers.started import CONFIG, TOKEN, serving
from tests.wires.asked import ASKED, by_local_run
from theoryctl_providers.wires.openai.responses.memory import Memory, NotRemembered

MODEL = "gpt-4o-mini"
USER: dict[str, Any] = {"role": "user", "content": "My printer is on fire"}
NEXT: dict[str, Any] = {"role": "user", "content": "And now?"}
TOOL: dict[str, Any] = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}


def connected() -> Iterator[openai.OpenAI]:
    with serving(CONFIG) as (port, _), openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN) as client:
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    yield from connected()


@pytest.fixture(scope="module")
def other() -> Iterator[openai.OpenAI]:
    """A client of an instance that has not answered yet."""
    yield from connected()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_conversation_goes_on_by_an_id_as_with_the_whole_input(client: openai.OpenAI, stream: bool) -> None:
    first = client.responses.create(model=MODEL, input=[USER])
    asked: dict[str, Any] = {"model": MODEL, "input": [NEXT], "previous_response_id": first.id}
    if stream:
        *_, last = client.responses.create(**asked, stream=True)
        assert last.type == "response.completed"
        second = last.response
    else:
        second = client.responses.create(**asked)
    items: list[Any] = [USER, *[item.to_dict() for item in first.output], NEXT]
    whole = client.responses.create(model=MODEL, input=items)
    assert (second.output_text, second.id) == (whole.output_text, whole.id)
    assert (second.previous_response_id, whole.previous_response_id) == (first.id, None)


def test_a_stream_is_remembered_too(client: openai.OpenAI) -> None:
    *_, last = client.responses.create(model=MODEL, input="streamed", stream=True)
    assert last.type == "response.completed"
    assert client.responses.retrieve(last.response.id) == last.response


def test_a_call_is_answered_by_the_id_of_its_response(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "tools": [TOOL]}
    first = client.responses.create(input="x", tool_choice="required", **asked)
    (call,) = first.output
    assert call.type == "function_call"
    output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    assert "Mock answer" in client.responses.create(input=output, previous_response_id=first.id, **asked).output_text


def test_instructions_are_not_carried_over(client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input=[USER], instructions="Be brief.")
    items: list[Any] = [USER, *[item.to_dict() for item in first.output], NEXT]
    second = client.responses.create(model=MODEL, input=[NEXT], previous_response_id=first.id)
    assert second.output_text == client.responses.create(model=MODEL, input=items).output_text


def test_an_item_is_referred_to_by_its_id(client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input=[USER])
    asked = client.responses.input_items.list(first.id).data[0]
    references: list[Any] = [{"type": "item_reference", "id": asked.id}, {"id": first.output[0].id}, NEXT]
    items: list[Any] = [USER, first.output[0].to_dict(), NEXT]
    found = client.responses.create(model=MODEL, input=references)
    assert found.output_text == client.responses.create(model=MODEL, input=items).output_text


def test_input_items_are_listed_in_pages(client: openai.OpenAI) -> None:
    items: list[Any] = [
        {"role": "user", "content": [PICTURE, {"type": "input_text", "text": str(n)}]} for n in range(5)
    ]
    response = client.responses.create(model=MODEL, input=[*items, USER], instructions="Be brief.")
    page = client.responses.input_items.list(response.id, limit=2)
    assert page.has_more
    found: list[Any] = list(page)
    assert [item.content[-1].text for item in found] == ["My printer is on fire", "4", "3", "2", "1", "0"]
    assert len({item.id for item in found}) == 6
    ascending: list[Any] = list(client.responses.input_items.list(response.id, order="asc", limit=100))
    assert ascending == found[::-1]
    after = client.responses.input_items.list(response.id, order="asc", after=ascending[3].id)
    assert (list(after), after.has_more) == (ascending[4:], False)


def test_ids_are_the_same_on_every_instance(client: openai.OpenAI, other: openai.OpenAI) -> None:
    found = []
    for each in (client, other):
        first = each.responses.create(model=MODEL, input=[USER])
        second = each.responses.create(model=MODEL, input=[NEXT], previous_response_id=first.id)
        found.append([first.id, second.id, *[item.id for item in each.responses.input_items.list(second.id)]])
    assert found[0] == found[1]


def test_a_response_is_forgotten_on_demand_and_not_remembered_unstored(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="forget me")
    client.responses.delete(response.id)
    unstored = client.responses.create(model=MODEL, input="never kept", store=False)
    assert (response.store, unstored.store) == (True, False)
    for response_id in (response.id, unstored.id):
        for ask in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
            with pytest.raises(openai.NotFoundError, match="there is no response"):
                ask(response_id)
        with pytest.raises(openai.NotFoundError):
            client.responses.input_items.list(response_id)


def test_a_response_that_is_complete_cannot_be_cancelled(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="x")
    with pytest.raises(openai.BadRequestError, match="only a response in the background"):
        client.responses.cancel(response.id)


def test_what_is_not_remembered_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as previous:
        client.responses.create(model=MODEL, input="x", previous_response_id="resp_1")
    assert (previous.value.code, previous.value.param) == ("previous_response_not_found", "previous_response_id")
    references: list[Any] = [USER, {"type": "item_reference", "id": "msg_1"}]
    with pytest.raises(openai.NotFoundError) as reference:
        client.responses.create(model=MODEL, input=references)
    assert reference.value.param == "input[1]"


@pytest.mark.parametrize(
    ("query", "param"), [({"limit": 0}, "limit"), ({"order": "up"}, "order"), ({"after": "x"}, "after")]
)
def test_a_wrong_page_is_refused_by_name(client: openai.OpenAI, query: dict[str, Any], param: str) -> None:
    response = client.responses.create(model=MODEL, input="x")
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.input_items.list(response.id, **query)
    assert caught.value.param == param


def test_tokens_are_counted_as_the_answer_counts_them(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "input": [USER], "instructions": "Be brief."}
    first = client.responses.create(**asked)
    assert first.usage is not None
    assert client.responses.input_tokens.count(**asked).input_tokens == first.usage.input_tokens
    more: dict[str, Any] = {"model": MODEL, "input": [NEXT], "previous_response_id": first.id}
    second = client.responses.create(**more)
    assert second.usage is not None
    assert client.responses.input_tokens.count(**more).input_tokens == second.usage.input_tokens


def test_a_conversation_by_ids_has_the_answers_of_local_run(client: openai.OpenAI) -> None:
    for asked in ASKED[:12]:
        (message,) = asked["messages"]
        first = client.responses.create(model=MODEL, input=[message])
        second = client.responses.create(model=MODEL, input=[NEXT], previous_response_id=first.id)
        answer = {"role": "assistant", "content": [{"type": "text", "text": first.output_text}]}
        inputs = {"model": f"openai/{MODEL}", "messages": [message, answer, NEXT]}
        assert by_local_run(inputs)["answer"]["text"] == second.output_text


def test_a_memory_forgets_the_oldest_and_is_never_larger_than_it_may_be() -> None:
    memory = Memory(most=560)
    document = json.dumps({"id": "r", "output": [{"id": "m"}]})
    for name in ("a", "b", "c", "c"):
        memory.keep(name, document, [{"id": f"item-{name}"}])
    assert memory.find("c").conversation == [{"id": "item-c"}, {"id": "m"}]
    with pytest.raises(NotRemembered):
        memory.find("a")
    memory.keep("large", json.dumps({"id": "r", "output": ["x" * 600]}), [])
    for name in ("c", "large"):
        with pytest.raises(NotRemembered):
            memory.find(name)
