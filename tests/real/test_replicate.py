"""Replicate, whose predictions are asked for, and asked after until they are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
        monkeypatch.setattr("litellm.DEFAULT_REPLICATE_POLLING_DELAY_SECONDS", 0.01)
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
    assert len([method for method, *_ in predictions.received if method == "POST"]) == 1


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
    assert [method for method, *_ in predictions.received].count("POST") == 1


@pytest.mark.parametrize("predictions", [Breaking(1, 2.5)], ids=["silent"])
def test_a_prediction_that_is_not_told_of_in_time_is_late(replicate: AskReplicate, predictions: Predictions) -> None:
    assert replicate(streamed=False, timeout=1).error["code"] == "ERR_TIMEOUT"
    assert [method for method, *_ in predictions.received].count("POST") == 1


@pytest.mark.parametrize("inputs", [{"tools": [TOOL]}, {"seed": 1}, {"tools": [TOOL], "tool_choice": "auto"}])
def test_an_input_that_would_not_reach_replicate_is_refused(ask: Ask, inputs: dict[str, object]) -> None:
    call = ask({"REPLICATE_API_KEY": CANARY}, MODEL, **inputs)
    assert call.error["code"] == "ERR_UNSUPPORTED_PARAM"
