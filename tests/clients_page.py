"""docs/clients.md: the clients that tests try unmodified, with the versions that the locks name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]

TESTS = Path(__file__).parent
SUITE = "requirements-dev.lock"
OPENAI3, OPENAI2, LLM = (f"tests/clients/{name}.lock" for name in ("openai3", "openai2", "llm"))
NODE, CODEX = "tests/clients/node/package-lock.json", "tests/clients/codex/package-lock.json"


@dataclass(frozen=True)
class Client:
    """A client, and where it is tried."""

    name: str
    package: str
    lock: str
    api: str
    file: str
    """The file of its tests, below `tests`."""
    told: str = ""
    """Its settings beside the variables of `local env`."""
    slow: bool = False
    """True where `make slow` alone tries it."""


def _langchain(package: str, api: str, told: str = "") -> Client:
    return Client("LangChain", package, OPENAI3, api, "clients/test_langchain.py", told, slow=True)


def _framework(name: str, package: str, lock: str = OPENAI3, api: str = "OpenAI", told: str = "") -> Client:
    return Client(name, package, lock, api, "clients/test_agents.py", told, slow=lock != SUITE)


CLIENTS = (
    Client("OpenAI, Python", "openai", SUITE, "OpenAI", "openai/test_chat.py"),
    Client("OpenAI, Python", "openai", SUITE, "Azure", "wires/test_azure.py"),
    Client("OpenAI, Node", "openai", NODE, "OpenAI", "clients/test_node.py"),
    Client("Anthropic, Python", "anthropic", SUITE, "Anthropic", "wires/test_anthropic.py"),
    Client("Anthropic, Node", "@anthropic-ai/sdk", NODE, "Anthropic", "clients/test_node.py"),
    Client("Ollama", "ollama", SUITE, "Ollama", "wires/test_ollama.py"),
    Client("Google Gen AI", "google-genai", SUITE, "Gemini", "wires/test_gemini.py"),
    Client("LiteLLM", "litellm", SUITE, "OpenAI", "openai/test_clients.py"),
    Client(
        "LiteLLM",
        "litellm",
        SUITE,
        "Anthropic, Ollama, Azure, Gemini",
        "wires/test_other_clients.py",
        "`OLLAMA_API_BASE`, `AZURE_API_BASE` and others of its own",
        slow=True,
    ),
    Client("llm", "llm", SUITE, "OpenAI", "openai/test_clients.py"),
    *(
        Client("llm", f"llm-{api.lower()}", LLM, api, "wires/test_other_clients.py", slow=True)
        for api in ("Anthropic", "Ollama")
    ),
    Client("Codex CLI", "@openai/codex", CODEX, "OpenAI", "clients/test_codex.py", "`model_providers`", slow=True),
    _langchain("langchain-openai", "OpenAI, Azure"),
    _langchain("langchain-anthropic", "Anthropic"),
    _langchain("langchain-ollama", "Ollama", "the header `Authorization` in `client_kwargs`"),
    _langchain("langchain-google-genai", "Gemini", "the address as `base_url`"),
)
FRAMEWORKS = (
    Client("AI SDK", "ai", NODE, "OpenAI", "clients/test_node.py"),
    Client("AI SDK", "@ai-sdk/anthropic", NODE, "Anthropic", "clients/test_node.py"),
    Client(
        "AI SDK", "@ai-sdk/google", NODE, "Gemini", "clients/test_node.py", "the address with `/v1beta` as `baseURL`"
    ),
    _framework("Agno", "agno"),
    _framework("AutoGen", "autogen-agentchat"),
    _framework("CrewAI", "crewai", OPENAI2),
    _framework("Google ADK", "google-adk", api="Gemini"),
    _framework("Haystack", "haystack-ai"),
    _framework("Inspect", "inspect-ai"),
    _framework("LangChain", "langchain"),
    _framework("LlamaIndex", "llama-index-core", OPENAI2, told="the address as `api_base`"),
    _framework("OpenAI Agents", "openai-agents", SUITE),
    _framework("Pydantic AI", "pydantic-ai-slim", SUITE),
    _framework("smolagents", "smolagents", told="the address as `api_base`, the key as `api_key`"),
    _framework("Strands", "strands-agents", OPENAI2),
)


def clients_page(table: Table) -> str:
    """Write the page. Raises KeyError for a client that its lock does not name."""
    header = ("client", "package", "version", "API", "settings beside those of `local env`", "tried by")
    return f"""\
# Clients that are tried

Tests try these clients as they come, at the versions below, with a started mock. The variables that
[`local env`](openai.md) prints lead most of them there; the table names what the others need. In a checkout `make test`
tries those without a star, and `make slow` those with one.

{table(header, map(_row, CLIENTS))}

LangChain's own integration tests of chat models and of embeddings pass with each of its clients, but for the one that
names the keys of its answer in prose (`test_json_mode`); their pictures and PDFs, which they fetch from the internet,
are not tried. `OPENAI_API_BASE`, which some older clients read, is not set: LangChain's client for embeddings by Azure
refuses to start with it.

`llm-gemini` cannot be led here: the addresses in it are Google's, and no option or variable changes them (0.35,
`llm_gemini.py`). Its users can ask a mock by `llm` itself, over OpenAI's API, or by Google's own client.

## Agents

With [`--tools each`](mocks.md) an agent of each of these frameworks runs each of its tools once, and ends.

{table(header, map(_row, FRAMEWORKS))}

Two of them are also tried in a second turn of one conversation, which calls each tool again: LangChain with a
`ToolStrategy` over the APIs of OpenAI and Ollama, and smolagents with `planning_interval` and `run(…, reset=False)`.
"""


def _row(client: Client) -> tuple[str, ...]:
    assert (TESTS / client.file).exists(), client.file
    star = " *" if client.slow else ""
    version = versions_of(client.lock)[client.package]
    return client.name, f"`{client.package}`", version, client.api, client.told, f"`{client.file}`{star}"


def versions_of(lock: str) -> dict[str, str]:
    """The packages of a lock of uv's or npm's, and their versions."""
    text = (TESTS.parent / lock).read_text(encoding="utf-8")
    if lock.endswith(".json"):
        packages = json.loads(text)["packages"]
        return {path.removeprefix("node_modules/"): each["version"] for path, each in packages.items() if path}
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M))
