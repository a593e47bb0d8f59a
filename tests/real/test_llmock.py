"""LLMock, a vendor written by others, gives its verdict on us: did we wait, retry in vain, or take a part for all?"""

from __future__ import annotations

import pytest
from llmock.pytest_plugin import LLMock

from tests.real.conftest import ANTHROPIC, LITELLM_WARNINGS, OPENAI, Ask, Call

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("short_waits")]

both_vendors = pytest.mark.parametrize("model", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])


@pytest.fixture
def ask_llmock(ask: Ask, llmock: LLMock) -> Ask:
    """Ask LLMock, whichever vendor it is to speak for."""
    addresses = {"OPENAI_BASE_URL": llmock.base_url("openai"), "ANTHROPIC_API_BASE": llmock.base_url("anthropic")}

    def ask_llmock(model: str, timeout: float = 10) -> Call:
        return ask(addresses, model, timeout=timeout)

    return ask_llmock


@both_vendors
def test_rate_limits_are_waited_out(ask_llmock: Ask, llmock: LLMock, model: str) -> None:
    llmock.rate_limit(retry_after=0.2).reply("Here I am.")
    assert ask_llmock(model).outputs["answer"] == "Here I am."
    assert len(llmock.requests) == 2
    llmock.assert_resilient(strict=True)


@both_vendors
@pytest.mark.parametrize(("status", "code"), [(401, "ERR_AUTH"), (403, "ERR_PERMISSION"), (404, "ERR_MODEL_NOT_FOUND")])
def test_what_cannot_pass_is_not_retried(ask_llmock: Ask, llmock: LLMock, model: str, status: int, code: str) -> None:
    llmock.fail(status, times=None)
    assert ask_llmock(model).error["code"] == code
    llmock.assert_resilient(strict=True)


@both_vendors
def test_a_prompt_too_long_is_told_as_such(ask_llmock: Ask, llmock: LLMock, model: str) -> None:
    llmock.context_overflow()
    assert ask_llmock(model).error["code"] == "ERR_CONTEXT_EXCEEDED"
    llmock.assert_resilient(strict=True)


@both_vendors
@pytest.mark.parametrize("fault", ["truncate", "corrupt", "disconnect"])
def test_a_part_of_an_answer_is_no_answer(ask_llmock: Ask, llmock: LLMock, model: str, fault: str) -> None:
    getattr(llmock.reply("one two three four five six"), fault)(after_chunks=4, times=None)
    assert ask_llmock(model).error["code"] == "ERR_BAD_RESPONSE"


@both_vendors
def test_a_slow_first_token_is_waited_for(ask_llmock: Ask, llmock: LLMock, model: str) -> None:
    llmock.reply("Here I am.").slow_first_token(0.5)
    assert ask_llmock(model).outputs["answer"] == "Here I am."
    assert len(llmock.requests) == 1
