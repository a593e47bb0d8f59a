"""Replicate, whose predictions are asked for, and asked after until they are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import CANARY, LITELLM_WARNINGS, Ask, Call
from tests.real.prediction import HOST, Predictions, Proxy
from tests.real.test_keys import configured
from tests.records import Shows

pytestmark = LITELLM_WARNINGS

MODEL = "replicate/meta/meta-llama-3-8b-instruct"
PATH = "/v1/models/meta/meta-llama-3-8b-instruct/predictions"
STARTED = {"status": "processing", "output": ["Hello "]}
DONE = {"status": "succeeded", "output": ["Hello ", "there!"], "metrics": {"predict_time": 0.1}}
TOOL = {"type": "function", "function": {"name": "get_weather"}}

#: Clients that LiteLLM has forgotten: nobody can close them outside of their loop, and collected open they warn.
_FORGOTTEN: list[Any] = []

AskReplicate = Callable[..., Call]


def forget_clients(litellm: Any) -> None:
    """Have LiteLLM make its clients anew, as the variables of a proxy are read when one is made."""
    cache = litellm.in_memory_llm_clients_cache
    _FORGOTTEN.extend(cache.cache_dict.values())
    cache.flush_cache()


@pytest.fixture
def replicate(
    predictions: Predictions, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AskReplicate]:
    """Ask Replicate, which is the stand-in, where every other vendor is configured too."""
    import litellm

    predictions.received.clear()  # of another case
    with Proxy(predictions, tmp_path) as proxy:
        for name, value in proxy.variables.items():
            monkeypatch.setenv(name, value)
        # LiteLLM has read both when its other clients were made, and counts seconds between two looks.
        forget_clients(litellm)
        monkeypatch.setattr("litellm.llms.replicate.chat.handler.REPLICATE_POLLING_DELAY_SECONDS", 0.01)
        secrets = {**configured("http://127.0.0.1:9"), "REPLICATE_API_KEY": CANARY}
        yield lambda **options: ask(secrets, MODEL, **options)
        forget_clients(litellm)
    assert set(predictions.connected) == {f"{HOST}:443"}
    assert all(headers["authorization"].endswith(f" {CANARY}") for _, _, headers, _ in predictions.received)


@pytest.mark.parametrize("predictions", [Predictions([STARTED, DONE])])
def test_a_prediction_is_asked_after_until_it_is_done(
    replicate: AskReplicate, predictions: Predictions, shows: Shows
) -> None:
    call = replicate(streamed=False, max_tokens=5, temperature=0.5)
    assert call.outputs["answer"] == "Hello there!"
    (method, path, _, body), *looks = predictions.received
    assert (method, path) == ("POST", PATH)
    assert "Say hello." in body["input"]["prompt"]
    assert (body["input"]["max_new_tokens"], body["input"]["temperature"]) == (5, 0.5)
    assert "stream" not in body["input"], "it is no input of the model"
    assert [path for _, path, *_ in looks] == ["/v1/predictions/abc"] * 2
    assert call.envelope["usage"]["input_tokens"] is None, "Replicate counts none, and LiteLLM's count is its own"
    shows("replicate", "text")


@pytest.mark.parametrize("predictions", [Predictions([STARTED, DONE])])
def test_a_prediction_is_streamed_as_it_grows(replicate: AskReplicate, predictions: Predictions, shows: Shows) -> None:
    call = replicate(streamed=True)
    assert [delta.text for delta in call.deltas if delta.text] == ["Hello ", "there!"]
    assert (call.outputs["answer"], call.outputs["finish_reason"]) == ("Hello there!", "stop")
    shows("replicate", "stream")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("predictions", [Predictions(refusal=(401, {"title": "Unauthenticated", "status": 401}))])
def test_a_key_that_replicate_refuses_is_told(replicate: AskReplicate, streamed: bool, shows: Shows) -> None:
    call = replicate(streamed=streamed)
    assert call.error["code"] == "ERR_AUTH"
    assert f"https://{HOST}" in call.error["message"]
    assert CANARY not in str(call.events)
    shows("replicate", "error")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("predictions", [Predictions([{"status": "failed", "error": "CUDA out of memory"}])])
def test_a_prediction_that_fails_is_the_vendors_failure_in_its_words(
    replicate: AskReplicate, streamed: bool, predictions: Predictions
) -> None:
    call = replicate(streamed=streamed)
    assert call.error["code"] == "ERR_UNAVAILABLE"
    assert "CUDA out of memory" in call.error["message"]
    assert posts(predictions) == 1


class Breaking(Predictions):
    """A prediction whose connections break when it is asked after, from this look on, after so many seconds.

    aiohttp repeats a GET once whose kept connection has broken (client.py, `retry_persistent_connection`).
    """

    def __init__(self, look: int, silence: float = 0) -> None:
        super().__init__([STARTED])
        self._look, self._silence = look, silence

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        answered = super().answer(method, path, headers, body)
        if len([method for method, *_ in self.received if method == "GET"]) >= self._look:
            time.sleep(self._silence)
            raise ConnectionResetError
        return answered


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("predictions", [Breaking(1), Breaking(2)], ids=["first", "second"])
def test_a_connection_that_breaks_under_a_prediction_is_told_as_that(
    replicate: AskReplicate, streamed: bool, predictions: Predictions
) -> None:
    error = replicate(streamed=streamed).error
    assert error["code"] == "ERR_BAD_RESPONSE"
    assert "broke in the middle of the answer" in error["message"]
    assert posts(predictions) == 1


class Failing(Predictions):
    """A prediction for which some looks fail, each with this status."""

    def __init__(self, status: int, looks: range, states: Sequence[Mapping[str, Any]] = (STARTED, DONE)) -> None:
        super().__init__(states)
        self._status, self._looks = status, looks

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        answered = super().answer(method, path, headers, body)
        fails = method == "GET" and looks(self) in self._looks
        return (self._status, {"detail": "try later", "error": "upstream"}) if fails else answered


def looks(predictions: Predictions) -> int:
    return [method for method, *_ in predictions.received].count("GET")


def posts(predictions: Predictions) -> int:
    return [path for method, path, *_ in predictions.received if method == "POST"].count(PATH)


def cancels(predictions: Predictions) -> int:
    return [path for method, path, *_ in predictions.received if method == "POST"].count("/v1/predictions/abc/cancel")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("predictions", [Failing(502, range(1, 4)), Failing(429, range(2, 6))], ids=["502", "429"])
def test_a_look_that_fails_in_passing_is_repeated(
    replicate: AskReplicate, streamed: bool, predictions: Predictions
) -> None:
    assert replicate(streamed=streamed).outputs["answer"] == "Hello there!"
    assert posts(predictions) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("predictions", "code", "times"),
    [
        (Failing(502, range(1, 99)), "ERR_UNAVAILABLE", 5),
        (Failing(503, range(2, 99)), "ERR_UNAVAILABLE", 6),
        (Failing(504, range(1, 99)), "ERR_UNAVAILABLE", 5),
        (Failing(429, range(1, 99)), "ERR_RATE_LIMITED", 5),
        (Failing(401, range(1, 99)), "ERR_AUTH", 1),
    ],
    ids=["502", "503", "504", "429", "401"],
)
def test_a_prediction_that_cannot_be_looked_at_is_not_made_again(
    replicate: AskReplicate, streamed: bool, predictions: Predictions, code: str, times: int
) -> None:
    error = replicate(streamed=streamed).error
    assert (error["code"], error["retryable"], looks(predictions), posts(predictions)) == (code, False, times, 1)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("status", ["canceled", "aborted", "unheard of"])
@pytest.mark.parametrize("predictions", [Predictions([STARTED, {"status": "?"}])], ids=["ends"])
def test_a_prediction_that_ends_without_success_is_the_vendors_failure(
    replicate: AskReplicate, streamed: bool, predictions: Predictions, status: str
) -> None:
    predictions.states = [STARTED, {"status": status}]
    error = replicate(streamed=streamed).error
    assert (error["code"], posts(predictions)) == ("ERR_UNAVAILABLE", 1)
    assert f"the prediction is {status}" in error["message"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "predictions", [Predictions([STARTED] * 8 + [DONE]), Predictions([{**DONE, "output": "Hello there!"}])]
)
def test_an_output_comes_in_pieces_or_whole_however_long_it_takes(
    replicate: AskReplicate, streamed: bool, predictions: Predictions
) -> None:
    # LiteLLM looks at a whole answer five times.
    assert replicate(streamed=streamed).outputs["answer"] == "Hello there!"


@pytest.mark.parametrize("predictions", [Predictions([{"status": "succeeded", "output": []}])], ids=["empty"])
def test_a_prediction_without_output_is_an_empty_answer(replicate: AskReplicate) -> None:
    # LiteLLM makes a space of it.
    assert replicate(streamed=False).outputs["answer"] == ""


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("predictions", "what"),
    [
        (Predictions([{"status": "succeeded", "output": {"text": "Hi"}}]), "holds dict"),
        (Predictions([{"status": "succeeded", "output": ["Hi", 1]}]), "holds int"),
        (Predictions([STARTED, {"status": "succeeded", "output": ["Bye"]}]), "takes back"),
    ],
    ids=["object", "number", "other text"],
)
def test_an_output_that_is_no_text_is_told_and_not_made_into_some(
    replicate: AskReplicate, streamed: bool, predictions: Predictions, what: str
) -> None:
    error = replicate(streamed=streamed).error
    assert (error["code"], what in error["message"], posts(predictions)) == ("ERR_BAD_RESPONSE", True, 1), error


@pytest.mark.parametrize("predictions", [Breaking(1, 2.5)], ids=["silent"])
def test_a_prediction_that_is_not_told_of_in_time_is_late(replicate: AskReplicate, predictions: Predictions) -> None:
    assert replicate(streamed=False, timeout=1).error["code"] == "ERR_TIMEOUT"
    assert posts(predictions) == 1


@pytest.mark.parametrize("inputs", [{"tools": [TOOL]}, {"seed": 1}, {"tools": [TOOL], "tool_choice": "auto"}])
def test_an_input_that_would_not_reach_replicate_is_refused(ask: Ask, inputs: dict[str, object]) -> None:
    call = ask({"REPLICATE_API_KEY": CANARY}, MODEL, **inputs)
    assert call.error["code"] == "ERR_UNSUPPORTED_PARAM"


# -- callers that leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("predictions", [Predictions([STARTED])], ids=["endless"])
def test_a_prediction_that_is_late_is_cancelled_once(
    replicate: AskReplicate, predictions: Predictions, streamed: bool
) -> None:
    assert replicate(streamed=streamed, timeout=1, retries=False).error["code"] == "ERR_TIMEOUT"
    assert (posts(predictions), cancels(predictions)) == (1, 1)


@pytest.mark.parametrize("predictions", [Predictions([STARTED])], ids=["endless"])
def test_a_prediction_is_cancelled_once_when_its_caller_leaves(
    replicate: AskReplicate, predictions: Predictions
) -> None:
    call = replicate(streamed=True, leaves_after=4)
    assert [delta.text for delta in call.deltas if delta.text] == ["Hello "]
    assert (posts(predictions), cancels(predictions)) == (1, 1)


@pytest.mark.parametrize("predictions", [Predictions([STARTED, DONE])])
def test_a_prediction_that_is_done_is_not_cancelled(replicate: AskReplicate, predictions: Predictions) -> None:
    assert replicate(streamed=True).outputs["answer"] == "Hello there!"
    assert cancels(predictions) == 0


@pytest.mark.parametrize("predictions", [Failing(401, range(1, 99))], ids=["401"])
def test_a_prediction_that_cannot_be_looked_at_is_cancelled(replicate: AskReplicate, predictions: Predictions) -> None:
    call = replicate()
    assert (call.error["code"], cancels(predictions)) == ("ERR_AUTH", 1)


class Stalling(Predictions):
    """A prediction that goes on, and says nothing for a while when it is cancelled."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        answered = super().answer(method, path, headers, body)
        if path.endswith("/cancel"):
            time.sleep(8)
        return answered


@pytest.mark.parametrize("predictions", [Stalling([STARTED])], ids=["stalls"])
def test_who_leaves_waits_no_longer_than_told_for_a_prediction_to_be_cancelled(
    replicate: AskReplicate, predictions: Predictions
) -> None:
    call = replicate(timeout=1, retries=False)
    assert (call.error["code"], cancels(predictions)) == ("ERR_TIMEOUT", 1)
    assert call.seconds < 6


class Elsewhere(Predictions):
    """A prediction that is said to be at another address."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        status, document = super().answer(method, path, headers, body)
        return status, {**document, "urls": {"get": "https://127.0.0.1:9/v1/predictions/abc"}}


@pytest.mark.parametrize("predictions", [Elsewhere([STARTED, DONE])], ids=["elsewhere"])
def test_a_prediction_at_another_address_gets_no_key(replicate: AskReplicate, predictions: Predictions) -> None:
    error = replicate().error
    assert (error["code"], "at another address" in error["message"]) == ("ERR_BAD_RESPONSE", True)
    assert len(predictions.received) == 1
