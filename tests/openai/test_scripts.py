"""Scripts, recordings and replays behind the OpenAI routes: what OpenAI's client makes of them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.conftest import REF, THEORYCTL
from tests.openai.conftest import Variables, theoryctl
from tests.real.conftest import CANARY
from tests.real.vendor import Vendor, answers

SCRIPT = """\
strict: true
rules:
  - when: {user: {equals: busy}}
    answers:
      - fault: {status: 429, retry_after: 0.3, message: slow down}
      - fault: {status: 503}
      - text: at last
  - when: {user: {equals: weather}, turn: 1, tools: [get_weather]}
    answers: [{tool_calls: [{name: get_weather, arguments: {city: Forlì}}]}]
  - when: {turn: 2}
    answers: [{text: It is sunny.}]
  - when: {user: {equals: slowly}}
    answers:
      - chunks: [{text: "one "}, {text: two, delay: 0.4}]
        usage: {input_tokens: 7, output_tokens: 2}
  - when: {user: {equals: stall}}
    answers: [{chunks: [{text: "one "}], fault: {kind: stall}}]
  - when: {user: {equals: cut}}
    answers: [{chunks: [{text: "one "}, {text: two, delay: 0.05}], fault: {kind: disconnect, after: 1}}]
  - when: {user: {equals: short}}
    answers: [{chunks: [{text: "one "}, {text: two}], fault: {kind: truncate, after: 1}}]
  - when: {user: {equals: refused}}
    answers: [{fault: {status: 401}}]
"""

Start = Callable[..., openai.OpenAI]


@contextmanager
def starting(home: Variables, folder: Path) -> Iterator[Start]:
    """Give a function that starts llm/litellm@1 with flags, and makes a client of it that does not try again."""
    env = {**home, "HOME": str(folder)}
    with ExitStack() as clients:

        def make(*flags: str, retries: int = 0, **more: str) -> openai.OpenAI:
            theoryctl("local", "start", "--ref", REF, "--runtime", "process", *flags, env={**env, **more})
            told = theoryctl("local", "env", "--ref", REF, env=env)["variables"]
            client = openai.OpenAI(
                base_url=told["OPENAI_BASE_URL"], api_key=told["OPENAI_API_KEY"], max_retries=retries
            )
            return clients.enter_context(client)

        try:
            yield make
        finally:
            # 3: the script is strict, and a test alone uses few of its rules.
            stopped = subprocess.run([THEORYCTL, "local", "stop", "--all"], env=env, capture_output=True, timeout=120)
            assert stopped.returncode in (0, 3), stopped.stderr


@pytest.fixture
def start(home: Variables, tmp_path: Path) -> Iterator[Start]:
    with starting(home, tmp_path) as start:
        yield start


def script_in(folder: Path) -> str:
    file = folder / "answers.yaml"
    file.write_text(SCRIPT)
    return str(file)


@pytest.fixture(scope="module")
def scripted(home: Variables, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """A client of one instance with the script, for tests that use no answer of another's up."""
    folder = tmp_path_factory.mktemp("scripted")
    with starting(home, folder) as start:
        yield start("--script", script_in(folder))


def asked(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def said(client: openai.OpenAI, text: str, **more: Any) -> str | None:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=asked(text), **more)
    content: str | None = answer.choices[0].message.content
    return content


def pieces(client: openai.OpenAI, text: str) -> Iterator[str]:
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=asked(text), stream=True)
    yield from (chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content)


def test_the_client_tries_again_as_the_script_says_and_gets_the_answer_in_the_end(start: Start, tmp_path: Path) -> None:
    begin = time.monotonic()
    assert said(start("--script", script_in(tmp_path), retries=2), "busy") == "at last"
    assert time.monotonic() - begin >= 0.3


def test_one_that_does_not_gets_each_fault_as_the_vendor_s_own(scripted: openai.OpenAI) -> None:
    client = scripted
    with pytest.raises(openai.RateLimitError, match="slow down") as caught:
        said(client, "busy")
    assert caught.value.response.headers["retry-after-ms"] == "300"
    with pytest.raises(openai.InternalServerError) as failed:
        said(client, "busy")
    assert failed.value.status_code == 503
    assert said(client, "busy") == "at last"
    with pytest.raises(openai.AuthenticationError):
        said(client, "refused")
    with pytest.raises(openai.NotFoundError, match="no rule"):
        said(client, "what nobody wrote a rule for")
    with pytest.raises(openai.NotFoundError, match="no rule of a script answers embeddings") as missed:
        client.embeddings.create(model="text-embedding-3-small", input="x")
    assert (missed.value.type, missed.value.code) == ("invalid_request_error", None)


def test_tools_are_called_and_the_conversation_goes_on(scripted: openai.OpenAI) -> None:
    client = scripted
    tools: list[Any] = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    first = client.chat.completions.create(model="gpt-4o-mini", messages=asked("weather"), tools=tools)
    (call,) = first.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Forlì"}')
    result = {"role": "tool", "tool_call_id": call.id, "content": "sun"}
    messages = [*asked("weather"), first.choices[0].message.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools)
    assert second.choices[0].message.content == "It is sunny."
    assert client.responses.create(model="gpt-4o-mini", input="slowly").output_text == "one two"


def test_chunks_come_when_the_script_says(scripted: openai.OpenAI) -> None:
    client, came = scripted, {}
    begun = time.monotonic()
    for piece in pieces(client, "slowly"):
        came[piece] = time.monotonic()
    assert list(came) == ["one ", "two"]
    assert came["two"] - begun >= 0.4
    assert came["two"] - came["one "] >= 0.1  # the first did not wait for it, though it may have come late
    whole = client.chat.completions.create(model="gpt-4o-mini", messages=asked("slowly"))
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (7, 2)


def test_a_connection_that_is_cut_or_a_stream_that_ends_early_is_what_a_client_sees(scripted: openai.OpenAI) -> None:
    client, came = scripted, []
    with pytest.raises(openai.APIConnectionError):
        for piece in pieces(client, "cut"):
            came.append(piece)
    assert came == ["one "]
    with pytest.raises(openai.APIConnectionError):
        said(client, "cut")
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=asked("short"), stream=True)
    chunks = list(stream)
    assert [chunk.choices[0].delta.content for chunk in chunks][-1] == "one "
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


def test_a_stall_ends_with_the_client_s_patience_and_holds_up_nobody_else(scripted: openai.OpenAI) -> None:
    client = scripted
    with pytest.raises(openai.APITimeoutError):
        said(client, "stall", timeout=0.5)
    assert said(client, "slowly") == "one two"


def test_what_clients_ask_is_recorded_and_replayed_to_them_chunk_by_chunk(
    start: Start, home: Variables, tmp_path: Path
) -> None:
    env, folder = {**home, "HOME": str(tmp_path)}, tmp_path / "recordings"
    with Vendor(answers("Hel", "lo ", "there")) as vendor:
        keys = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        client = start("--mode", "real", "--record", str(folder), **keys)
        real = list(pieces(client, "greet"))
        theoryctl("local", "stop", "--all", env=env)
    (file,) = folder.iterdir()
    assert CANARY not in file.read_text()
    assert real == ["Hel", "lo ", "there"]
    client = start("--replay", str(folder))
    assert list(pieces(client, "greet")) == real
    assert said(client, "greet") == "Hello there"
    with pytest.raises(openai.NotFoundError, match="no recording"):
        said(client, "something else")
