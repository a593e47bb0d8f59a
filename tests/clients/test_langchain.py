"""LangChain's own tests of a chat model and of embeddings, as they come, in its client for OpenAI."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import Command, python_with
from tests.openai.conftest import Variables

# Not among what they may try: pictures and PDFs, which these tests fetch from the internet. Without `stream_usage`
# the client asks only OpenAI's own address for usage, and without `check_embedding_ctx_length` it counts tokens with
# a vocabulary that it fetches.
SUITES = """\
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

class TestChat(ChatModelIntegrationTests):
    chat_model_class = ChatOpenAI
    chat_model_params = {"model": "gpt-4o-mini", "stream_usage": True}
    has_tool_choice = True
    supports_json_mode = True
    model_override_value = "gpt-4o"

class TestResponses(TestChat):
    chat_model_params = {"model": "gpt-4o-mini", "use_responses_api": True}

class TestEmbeddings(EmbeddingsIntegrationTests):
    embeddings_class = OpenAIEmbeddings
    embedding_model_params = {"model": "text-embedding-3-small", "check_embedding_ctx_length": False}
"""
#: One loop for all, as one program has: LangChain shares connections among its clients.
ASYNCIO = [f"-oasyncio_{name}" for name in ("mode=auto", "default_test_loop_scope=session")]
#: It names the keys of its answer in prose, which a mock does not read.
IN_PROSE = {f"suites.py::{suite}::test_json_mode" for suite in ("TestChat", "TestResponses")}


@pytest.mark.slow("providers/theoryctl_providers/wires/openai/*", "tests/clients/*")
def test_the_suites_pass_but_for_the_test_that_names_its_keys_in_prose(caller: Variables, tmp_path: Path) -> None:
    (tmp_path / "suites.py").write_text(SUITES)
    command: Command = [python_with("openai3"), "-m", "pytest", "-q", "-rfE", "--tb=short", *ASYNCIO, "suites.py"]
    done = subprocess.run(command, capture_output=True, text=True, env=caller, cwd=tmp_path, timeout=280)
    assert set(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)) == IN_PROSE, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= 85, done.stdout
