"""Requests and answers on the wire: refusals in OpenAI's shape, headers, cut connections, clients that vanish."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import THEORYCTL
from tests.openai.conftest import StartProvider, Variables

CHAT = "/v1/chat/completions"
MODE = "X-Theoryctl-Mode"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        document = json.loads(self.body)
        assert list(document) == ["error"]
        assert set(document["error"]) == {"message", "type", "param", "code"}
        found = document["error"]
        assert isinstance(found, dict)
        return found


def connect(variables: Variables) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(variables["OPENAI_BASE_URL"]).netloc, timeout=30)


def ask(variables: Variables, path: str = CHAT, body: Any = ASK, method: str = "POST", **headers: str) -> Answer:
    sent = {"authorization": f"Bearer {variables['OPENAI_API_KEY']}", **headers}
    with closing(connect(variables)) as connection:
        connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), sent)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "usr", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": None}, "messages", "invalid_value"),
        ({"messages": "x"}, "messages", "invalid_value"),
        ({"temperature": 9}, "temperature", "invalid_value"),
        ({"temprature": 1}, "temprature", "invalid_value"),
        ({"model": 5}, "model", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options", "invalid_value"),
        ({"functions": []}, "functions", "invalid_value"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice", "invalid_value"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}},
            "tool_choice.allowed_tools.mode",
            "invalid_value",
        ),
        ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice", "invalid_value"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"modalities": ["audio"]}, "modalities", "unsupported_parameter"),
        ({"messages": [{"role": "user", "content": {"$attach": "x"}}]}, None, "invalid_value"),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_bad_request_is_a_400_that_names_the_parameter(
    instance: Variables, change: dict[str, Any], param: str | None, code: str, stream: bool
) -> None:
    answer = ask(instance, body={**ASK, **({"stream": True} if stream else {}), **change})
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert answer.headers["x-theoryctl-code"].startswith("ERR_")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"a": 1, "a": 2}', b"\xff", b'{"a": NaN}'], ids=repr)
def test_a_body_that_is_no_json_object_is_a_400(instance: Variables, body: bytes) -> None:
    for path in (CHAT, "/v1/responses", "/v1/embeddings"):
        answer = ask(instance, path, body)
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/audio/speech", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", CHAT, 405),
        ("DELETE", "/v1/models/x", 405),
    ],
)
def test_what_is_not_there_is_said_in_openais_shape(instance: Variables, method: str, path: str, status: int) -> None:
    answer = ask(instance, path, b"", method)
    assert (answer.status, answer.error["code"]) == (status, "unknown_url")


def test_a_wrong_key_is_a_401_in_openais_shape_and_in_ours_for_our_own_path(instance: Variables) -> None:
    answer = ask(instance, authorization="Bearer sk-of-somebody-else")
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    ours = ask(instance, "/v1/run", authorization="Bearer sk-of-somebody-else")
    assert json.loads(ours.body)["error"]["code"] == "ERR_TOKEN"


def test_the_mode_is_the_headers_then_the_instances(instance: Variables) -> None:
    refused = ask(instance, **{"X-Theoryctl-Mode": "real"})
    assert (refused.status, refused.headers["x-theoryctl-code"]) == (401, "ERR_MISSING_SECRET")
    assert ask(instance, **{"X-Theoryctl-Mode": "Mock"}).status == 200
    for odd in (ask(instance, **{MODE: "odd"}), ask(instance, "/v1/models", b"", "GET", **{MODE: "odd"})):
        assert (odd.status, odd.error["code"], odd.error["param"]) == (400, "invalid_value", MODE)
        assert MODE in odd.error["message"] and "--mode" not in odd.error["message"]


def test_a_key_that_a_started_instance_lacks_is_given_to_it_by_starting_it_anew(instance: Variables) -> None:
    refused = ask(instance, **{MODE: "real"})
    assert "(set OPENAI_API_KEY, and start the instance again)" in refused.error["message"]


def test_a_model_that_is_not_named_is_not_found(instance: Variables) -> None:
    answer = ask(instance, "/v1/models/", b"", "GET")
    assert (answer.status, answer.error["param"], answer.error["code"]) == (404, "model", "model_not_found")


def test_an_answer_has_the_id_that_the_log_has(local_instance: Variables, home: Variables) -> None:
    run_id = ask(local_instance).headers["x-request-id"]
    lines = theoryctl_lines("local", "logs", "--json", "--ref", "llm/litellm@1", env=home)
    (line,) = [line for line in lines if line["run_id"] == run_id]
    assert (line["path"], line["status"], line["code"]) == (CHAT, 200, None)
    assert line["output_tokens"] > 0
    assert "Say hello" not in json.dumps(lines)


def theoryctl_lines(*arguments: str, env: Variables) -> list[dict[str, Any]]:
    done = subprocess.run([THEORYCTL, *arguments], capture_output=True, text=True, env=env, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_stream_of_a_mock_leaves_in_one_piece(instance: Variables) -> None:
    answer = ask(instance, body={**ASK, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert answer.body.count(b"data: ") > 5


FAULTS = '''\
import asyncio
from theoryctl_providers import LLMProvider, ProviderError
from theoryctl_providers.contract import Delta, Finish

class Fault(ProviderError):
    """As a script's: what the wire is to look like."""

class Provider(LLMProvider):
    """Does what the user says: a kind of fault, and after how many words."""

    async def stream(self, request):
        kind, words = request.inputs["messages"][0]["content"].split()
        for number in range(int(words)):
            yield Delta(text=f"{number} ")
            await asyncio.sleep(0.01)
        if kind == "stall":
            await asyncio.sleep(60)
        if kind != "none":
            fault = Fault("ERR_BAD_RESPONSE", "broken", hint="try again")
            fault.kind, fault.status = kind, 529
            raise fault
        yield Finish()
'''


@pytest.fixture
def faulty(start_provider: StartProvider) -> Variables:
    return start_provider(FAULTS)


def saying(what: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": what}], **more}


def test_a_fault_shows_on_the_wire_as_a_vendors_own_would(faulty: Variables) -> None:
    assert ask(faulty, body=saying("error 0", stream=True)).status == 529
    assert ask(faulty, body=saying("error 2")).status == 529
    streamed = ask(faulty, body=saying("error 2", stream=True))
    assert (streamed.status, b'data: {"error"' in streamed.body) == (200, True)
    assert b"[DONE]" not in streamed.body
    nothing = ask(faulty, body=saying("truncate 0", stream=True))
    assert (nothing.status, nothing.body) == (200, b"")
    truncated = ask(faulty, body=saying("truncate 2", stream=True))
    assert truncated.status == 200
    assert b'"1 "' in truncated.body
    assert b"[DONE]" not in truncated.body + ask(faulty, "/v1/responses", {"input": "truncate 1"}).body
    for cut in (saying("disconnect 0"), saying("disconnect 0", stream=True), saying("disconnect 2")):
        with pytest.raises(http.client.RemoteDisconnected):
            ask(faulty, body=cut)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(faulty, body=saying("disconnect 2", stream=True))
    assert caught.value.partial.count(b"data: ") == 3
    assert ask(faulty, body=saying("none 2")).status == 200


def test_the_log_says_nothing_of_a_cut_connection_but_its_line(faulty: Variables, home: Variables) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        ask(faulty, body=saying("disconnect 0"))
    (line,) = theoryctl_lines("local", "logs", "--json", "--ref", "acme/test@1", env=home)
    assert line["code"] == "ERR_BAD_RESPONSE"


def test_a_client_that_vanishes_ends_its_call(faulty: Variables, home: Variables) -> None:
    for stream in (False, True):
        connection = connect(faulty)
        body = json.dumps(saying("stall 1", stream=stream))
        connection.request("POST", CHAT, body, {"authorization": f"Bearer {faulty['OPENAI_API_KEY']}"})
        if stream:
            assert connection.getresponse().read(5) == b"data:"
        time.sleep(0.1)
        connection.close()
    end = time.monotonic() + 10
    while len(lines := theoryctl_lines("local", "logs", "--json", "--ref", "acme/test@1", env=home)) < 2:
        assert time.monotonic() < end, "the calls go on"
        time.sleep(0.05)
    assert [line["status"] for line in lines] == [499, 499]


def test_two_hundred_streams_at_once_lose_nothing(faulty: Variables) -> None:
    def stream(_: int) -> int:
        return ask(faulty, body=saying("none 20", stream=True)).body.count(b'"content":"')

    with ThreadPoolExecutor(200) as pool:
        assert set(pool.map(stream, range(200))) == {21}
