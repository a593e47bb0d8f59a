"""Files and batches of a mock, by OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.providers.started import CONFIG, TOKEN, serving
from theoryctl_providers.wires.openai.batches.store import NoSuch, Store

CHAT = "/v1/chat/completions"
MODEL = "gpt-4o-mini"
DATA = b'{"a": 1}\r\n\0\xff\n'


def body(text: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


def line(custom_id: str, asked: Any, **more: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": asked, **more}


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    with serving(CONFIG) as (port, _), openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN) as client:
        yield client


def batch_of(client: openai.OpenAI, *lines: Any, endpoint: Any = CHAT) -> Any:
    data = "".join(f"{json.dumps(each)}\n" for each in lines).encode()
    file = client.files.create(file=("asked.jsonl", data), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", metadata={"a": "b"})


def test_a_file_is_kept_byte_for_byte_until_it_is_deleted(client: openai.OpenAI) -> None:
    file = client.files.create(file=("notes.bin", DATA), purpose="user_data")
    assert (file.bytes, file.filename, file.purpose) == (len(DATA), "notes.bin", "user_data")
    assert client.files.retrieve(file.id) == file
    assert file in list(client.files.list())
    assert client.files.content(file.id).read() == DATA
    assert client.files.create(file=("notes.bin", DATA), purpose="user_data").id == file.id
    assert client.files.delete(file.id).deleted
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            ask(file.id)


def test_a_batch_has_the_answers_of_its_requests(client: openai.OpenAI) -> None:
    batch = batch_of(
        client, line("one", body("Say hello.")), line("bad", {**body("x"), "n": 0}), line("two", body("b"))
    )
    assert (batch.status, batch.metadata) == ("completed", {"a": "b"})
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (3, 2, 1)
    assert client.batches.retrieve(batch.id) == batch
    assert batch in list(client.batches.list())
    one, two = map(json.loads, client.files.content(batch.output_file_id).text.splitlines())
    assert (one["custom_id"], two["custom_id"]) == ("one", "two")
    alone = client.chat.completions.create(**body("Say hello."))
    assert one["response"]["status_code"] == 200
    assert one["response"]["body"] == alone.to_dict(exclude_unset=True, mode="json")
    bad = json.loads(client.files.content(batch.error_file_id).text)
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("bad", 400)
    assert bad["response"]["body"]["error"]["param"] == "n"


@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [
        ("/v1/responses", {"model": MODEL, "input": "x"}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "x"}),
        ("/v1/completions", {"model": MODEL, "prompt": "x"}),
        ("/v1/moderations", {"input": "x"}),
    ],
)
def test_a_batch_asks_every_endpoint(client: openai.OpenAI, endpoint: str, asked: Any) -> None:
    batch = batch_of(client, line("one", asked, url=endpoint), endpoint=endpoint)
    assert batch.request_counts.completed == 1


@pytest.mark.parametrize(
    "lines",
    [
        [line("a", body("x"), url="/v1/responses")],
        [line("a", body("x")), line("a", body("y"))],
        [line("a", 5)],
        [line("a", {**body("x"), "stream": True})],
        ["x"],
    ],
)
def test_a_batch_with_a_wrong_line_is_refused_whole(client: openai.OpenAI, lines: list[Any]) -> None:
    with pytest.raises(openai.BadRequestError, match=r"line [12]: (expected|an answer)") as caught:
        batch_of(client, *lines)
    assert caught.value.param == "input_file_id"


def test_what_is_not_there_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_1")
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-1", endpoint=CHAT, completion_window="24h")
    batch = batch_of(client, line("one", body("x")))
    with pytest.raises(openai.BadRequestError, match="this batch is done"):
        client.batches.cancel(batch.id)


def test_in_real_mode_the_hint_names_local_batch(client: openai.OpenAI) -> None:
    real = client.with_options(default_headers={"X-Theoryctl-Mode": "real"})
    for ask in (real.files.list, real.batches.list, lambda: real.batches.retrieve("x")):
        with pytest.raises(openai.BadRequestError, match="with local batch") as caught:
            ask()
        assert caught.value.response.headers["x-theoryctl-code"] == "ERR_UNSUPPORTED_PARAM"


def test_a_store_forgets_the_oldest_file() -> None:
    store = Store(most=10)
    first, second = store.add("a", "batch", b"123456"), store.add("b", "batch", b"12345")
    assert store.file(second.id) == second
    with pytest.raises(NoSuch):
        store.file(first.id)
