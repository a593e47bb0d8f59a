"""The older completions and the moderations of a mock, by OpenAI's own client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.openai.asking import Asked
from tests.providers.started import CONFIG, TOKEN, serving
from tests.real.conftest import CANARY
from tests.real.conftest import foreign_variables as foreign_variables
from tests.real.conftest import litellm as litellm
from tests.real.conftest import only_loopback as only_loopback
from tests.real.server import Conversation
from tests.real.vendor import Vendor, answers, fails
from tests.wires.asked import user
from tests.wires.conftest import scripted
from theoryctl_providers.contract import ProviderConfig, Recordings, Request, Tape
from theoryctl_providers.wires.openai.several_prompts import answers_to

MODEL = "gpt-3.5-turbo-instruct"

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def of(port: int) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    with serving(CONFIG) as (port, _), of(port) as client:
        yield client


def test_a_stream_has_the_id_and_the_usage_of_the_whole(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "prompt": ["Say hello."], "n": 2, "user": "me"}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert {chunk.id for chunk in chunks} == {whole.id}
    assert (whole.object, chunks[-1].usage, chunks[-1].choices) == ("text_completion", whole.usage, [])
    texts = ["".join(c.text for chunk in chunks for c in chunk.choices if c.index == index) for index in (0, 1)]
    assert texts == [choice.text for choice in whole.choices]


def said(client: openai.OpenAI, *, streamed: bool, **asked: Any) -> tuple[list[tuple[str, str]], Any]:
    """The text of each choice with the reason that it ended, in their order; and the usage."""
    asked = {"model": MODEL, **asked}
    if not streamed:
        whole = client.completions.create(**asked)
        assert [choice.index for choice in whole.choices] == list(range(len(whole.choices)))
        return [(choice.text, choice.finish_reason) for choice in whole.choices], whole.usage
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    texts, reasons = dict[int, str](), dict[int, str]()
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        texts[choice.index] = texts.get(choice.index, "") + choice.text
        reasons |= {choice.index: choice.finish_reason} if choice.finish_reason else {}
    return [(texts[index], reasons[index]) for index in sorted(texts)], chunks[-1].usage


@streamed_or_not
@pytest.mark.parametrize("more", [{}, {"n": 2}, {"n": 2.0, "max_tokens": 2}, {"stop": "to:"}], ids=str)
def test_several_prompts_have_the_answers_of_each_in_their_order(
    client: openai.OpenAI, more: dict[str, Any], streamed: bool
) -> None:
    prompts = ["Say hello.", "Say goodbye.", "Say hello."]
    alone = [said(client, streamed=streamed, prompt=prompt, **more) for prompt in prompts]
    choices, usage = said(client, streamed=streamed, prompt=prompts, **more)
    assert choices == [choice for each, _ in alone for choice in each]
    assert usage.prompt_tokens == sum(used.prompt_tokens for _, used in alone)
    assert usage.completion_tokens == sum(used.completion_tokens for _, used in alone)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_the_id_of_an_answer_comes_from_all_prompts(client: openai.OpenAI) -> None:
    prompts: list[Any] = [["a", "b"], ["a", "c"], ["b", "a"], ["a", "b"]]
    ids = [client.completions.create(model=MODEL, prompt=each).id for each in prompts]
    assert ids[0] == ids[3]
    assert len(set(ids)) == 3


@streamed_or_not
def test_a_script_answers_each_of_several_prompts_or_fails_them_all(streamed: bool) -> None:
    waits = {"text": "two", "delay": 0.02}
    good = {"rules": [{"answers": [{"text": "one"}, waits]}]}
    with serving(scripted(good)) as (port, _), of(port) as client:
        choices, _ = said(client, streamed=streamed, prompt=["a", "b"])
    assert choices == [("one", "stop"), ("two", "stop")]
    bad = {"rules": [{"answers": [{"text": "one"}, {"fault": {"status": 503}}]}]}
    with serving(scripted(bad)) as (port, _), of(port) as client, pytest.raises(openai.APIError):
        said(client, streamed=streamed, prompt=["a", "b"])


#: Says how many tokens a prompt had, but for the prompt "b".
COUNTING = """
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Finish, Usage

class Counting(LLMProvider):
    default_model = "acme/counting"

    async def stream(self, request):
        prompt = request.inputs["messages"][0]["content"]
        yield Delta(text=prompt.upper())
        if prompt != "b":
            yield Usage(input_tokens=1, output_tokens=2)
        yield Finish()
"""


@streamed_or_not
def test_the_usage_of_several_prompts_is_unknown_where_that_of_one_is(
    streamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"counting_{streamed}"  # a module is loaded once
    (tmp_path / f"{name}.py").write_text(COUNTING)
    monkeypatch.syspath_prepend(tmp_path)
    provider = ProviderConfig(provider=f"{name}:Counting", ref="a/b@1", input_schema={})
    with serving(replace(CONFIG, provider=provider)) as (port, _), of(port) as client:
        choices, usage = said(client, streamed=streamed, prompt=["a", "c"])
        assert (usage.prompt_tokens, usage.completion_tokens) == (2, 4)
        choices, usage = said(client, streamed=streamed, prompt=["a", "b", "c"])
    assert (choices, usage) == ([("A", "stop"), ("B", "stop"), ("C", "stop")], None)


def questions(asked: Asked) -> list[str]:
    """The prompts that the vendor got, in their order."""
    return [request.body["messages"][0]["content"] for request in asked.requests]


@streamed_or_not
def test_a_vendor_is_asked_for_each_of_several_prompts_in_turn(asked: Asked, streamed: bool) -> None:
    client = asked.after(lambda talk: answers(talk.received.body["messages"][0]["content"].upper())(talk))
    choices, usage = said(client, streamed=streamed, prompt=["a", "b", "a"])
    assert (choices, questions(asked)) == ([("A", "stop"), ("B", "stop"), ("A", "stop")], ["a", "b", "a"])
    _, alone = said(client, streamed=streamed, prompt="a")
    assert usage.prompt_tokens == 3 * alone.prompt_tokens
    assert usage.completion_tokens == 3 * alone.completion_tokens


def test_a_prompt_behind_one_that_was_paid_for_is_tried_again_here_and_by_no_client(asked: Asked) -> None:
    def busy_for_b(talk: Conversation) -> None:
        (fails(503, retry_after="0.01") if talk.received.body["messages"][0]["content"] == "b" else answers())(talk)

    client = asked.after(busy_for_b)
    with pytest.raises(openai.InternalServerError) as caught:
        client.completions.create(model=MODEL, prompt=["a", "b", "c"])
    assert questions(asked) == ["a", "b", "b", "b"]
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_a_first_prompt_that_fails_costs_nothing_and_is_tried_again_by_the_client_alone(asked: Asked) -> None:
    client = asked.after(fails(503)).with_options(max_retries=0)
    with pytest.raises(openai.InternalServerError) as caught:
        client.completions.create(model=MODEL, prompt=["a", "b"])
    assert (questions(asked), "x-should-retry" in caught.value.response.headers) == (["a"], False)


def costs(config: ProviderConfig, *prompts: str) -> tuple[str, float | None]:
    """The mode and the cost that the log gets of one request for these prompts."""
    asked: dict[str, Any] = {"model": "openai/gpt-4o-mini", "messages": [user(prompt) for prompt in prompts]}
    request = Request(config=config, inputs=asked, mode="real")

    async def last() -> Any:
        return [event async for event in answers_to(request, asked["messages"])][-1]

    envelope = asyncio.run(last()).envelope
    return envelope["mode"], envelope["usage"]["cost_usd"]


@pytest.mark.usefixtures("litellm", "only_loopback", "foreign_variables")
def test_of_several_prompts_those_that_a_vendor_answered_are_paid_and_no_recorded_ones() -> None:
    with Vendor(answers("A")) as vendor:
        secrets = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": vendor.addresses["OPENAI_BASE_URL"]}
        config = ProviderConfig(provider="litellm", secrets=secrets, tape=Tape(), replay=Recordings([]))
        mode, alone = costs(config, "a")
        assert mode == "real" and alone
        assert costs(config, "b", "a") == ("real", alone)
        assert costs(config, "a", "c", "b") == ("real", alone)
        assert costs(config, "c", "b") == ("mock", 2 * alone)  # as a replay tells it: the ledger has none of these
        assert len(vendor.requests) == 3


@pytest.mark.parametrize("mode", ["mock", "real"])
@pytest.mark.parametrize("prompt", [[1, 2], [[1, 2], [3]]], ids=str)
def test_a_prompt_of_tokens_is_refused_with_what_to_send_instead(client: openai.OpenAI, prompt: Any, mode: str) -> None:
    with pytest.raises(openai.BadRequestError, match=r"expected text, got tokens.*\(send text in prompt\)"):
        client.completions.create(model=MODEL, prompt=prompt, extra_headers={"X-Theoryctl-Mode": mode})


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2], [3]]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", None]}, "prompt"),
        ({"prompt": ["a", "b"], "temperature": "hot"}, "temperature"),
        ({"prompt": None}, "prompt"),
        ({"echo": True}, "echo"),
        ({"logprobs": 0}, "logprobs"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"extra_body": {"messages": []}}, "messages"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_what_completions_do_not_do_is_refused_by_its_name(
    client: openai.OpenAI, asked: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**{"model": MODEL, "prompt": "x", **asked})
    assert caught.value.param == param


def test_an_input_is_flagged_for_a_category_that_it_names(client: openai.OpenAI) -> None:
    calm, rough = client.moderations.create(input=["Say hello.", "A tale of Violence."]).results
    assert (calm.flagged, rough.flagged) == (False, True)
    assert [name for name, flag in rough.categories.to_dict().items() if flag] == ["violence"]
    assert rough.category_scores.violence == 0.99
    scores: dict[str, Any] = calm.category_scores.to_dict()
    assert len(scores) == 13 and all(score <= 0.01 for score in scores.values())


def test_moderations_are_the_same_every_time_and_judge_parts_together(client: openai.OpenAI) -> None:
    parts: list[Any] = [{"type": "text", "text": "hate"}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}]
    first, second = (client.moderations.create(input=parts, model="omni-moderation-latest") for _ in range(2))
    assert first == second
    (result,) = first.results
    assert result.categories.hate
    applied = result.category_applied_input_types
    assert (applied.hate, applied.violence) == (["text"], ["text", "image"])


@pytest.mark.parametrize(("given", "param"), [(5, "input"), ([], "input"), (["a", {"type": "x"}], "input[0]")])
def test_a_wrong_input_of_moderations_is_named(client: openai.OpenAI, given: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.moderations.create(input=given)
    assert caught.value.param == param


def test_moderations_in_real_mode_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="by a mock alone") as caught:
        client.moderations.create(input="x", extra_headers={"X-Theoryctl-Mode": "real"})
    assert caught.value.response.headers["x-theoryctl-code"] == "ERR_UNSUPPORTED_PARAM"
