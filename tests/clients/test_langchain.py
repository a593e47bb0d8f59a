"""LangChain's own tests of chat models and of embeddings, as they come, with its client of each API."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import Command, concerned, python_with
from tests.openai.conftest import Variables

BEGIN = """\
import os
from langchain_tests.integration_tests import ChatModelIntegrationTests as Chat, EmbeddingsIntegrationTests as Vectors

"""
# Nothing here says that pictures and PDFs are understood, since the tests of them fetch some from the internet.
SUITES = {
    # Without `stream_usage` the client asks only OpenAI's own address for usage, and without
    # `check_embedding_ctx_length` it counts tokens with a vocabulary that it fetches.
    "OpenAI": """\
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

class TestChat(Chat):
    chat_model_class = ChatOpenAI
    chat_model_params = {"model": "gpt-4o-mini", "stream_usage": True}
    supports_json_mode = True
    model_override_value = "gpt-4o"

class TestResponses(TestChat):
    chat_model_params = {"model": "gpt-4o-mini", "use_responses_api": True}

class TestEmbeddings(Vectors):
    embeddings_class = OpenAIEmbeddings
    embedding_model_params = {"model": "text-embedding-3-small", "check_embedding_ctx_length": False}
""",
    # A deployment is one model, so none is overridden.
    "Azure": """\
from langchain_openai import AzureChatOpenAI, AzureOpenAIEmbeddings

class TestChat(Chat):
    chat_model_class = AzureChatOpenAI
    chat_model_params = {"model": "gpt-4o-mini", "azure_deployment": "mine", "stream_usage": True}
    supports_json_mode = True

class TestEmbeddings(Vectors):
    embeddings_class = AzureOpenAIEmbeddings
    embedding_model_params = {"model": "text-embedding-3-small", "check_embedding_ctx_length": False}
""",
    "Anthropic": """\
from langchain_anthropic import ChatAnthropic

class TestChat(Chat):
    chat_model_class = ChatAnthropic
    chat_model_params = {"model": "claude-sonnet-4-5"}
    supports_anthropic_inputs = True
    model_override_value = "claude-haiku-4-5"
""",
    # Its client sends no OLLAMA_API_KEY by itself, and Ollama has no choice of a tool.
    "Ollama": """\
from langchain_ollama import ChatOllama, OllamaEmbeddings
key = {"headers": {"Authorization": "Bearer " + os.environ["OLLAMA_API_KEY"]}}

class TestChat(Chat):
    chat_model_class = ChatOllama
    chat_model_params = {"model": "llama3.2", "client_kwargs": key}
    has_tool_choice = False
    supports_json_mode = True
    model_override_value = "llama3"

class TestEmbeddings(Vectors):
    embeddings_class = OllamaEmbeddings
    embedding_model_params = {"model": "nomic-embed-text", "client_kwargs": key}
""",
    # Its client reads no GOOGLE_GEMINI_BASE_URL, and cannot be told another model in a call.
    "Gemini": """\
from langchain_google_genai import ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings
url = os.environ["GOOGLE_GEMINI_BASE_URL"]

class TestChat(Chat):
    chat_model_class = ChatGoogleGenerativeAI
    chat_model_params = {"model": "gemini-2.5-flash", "base_url": url}

class TestEmbeddings(Vectors):
    embeddings_class = GoogleGenerativeAIEmbeddings
    embedding_model_params = {"model": "gemini-embedding-001", "base_url": url}
""",
}
#: One loop for all, as one program has: LangChain shares connections among its clients.
ASYNCIO = [f"-oasyncio_{name}" for name in ("mode=auto", "default_test_loop_scope=session")]


def _concerned(api: str) -> pytest.MarkDecorator:
    return pytest.mark.slow(*concerned({"Azure": "openai"}.get(api, api.lower())))


@pytest.mark.parametrize("api", [pytest.param(api, marks=_concerned(api)) for api in SUITES])
def test_the_suites_pass_but_for_the_test_that_names_its_keys_in_prose(
    api: str, caller: Variables, tmp_path: Path
) -> None:
    (tmp_path / "suites.py").write_text(BEGIN + SUITES[api])
    command: Command = [python_with("openai3"), "-m", "pytest", "-q", "-rfE", "--tb=short", *ASYNCIO, "suites.py"]
    done = subprocess.run(command, capture_output=True, text=True, env=caller, cwd=tmp_path, timeout=280)
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::(\S+)", done.stdout, re.M)
    assert set(failed) <= {"test_json_mode"}, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= 30, done.stdout
