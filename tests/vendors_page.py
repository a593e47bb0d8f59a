"""docs/vendors.md: the abilities of each vendor as tests have shown them, its variables, and how to begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.records import Shown
from theoryctl_providers.contract import SecretRule
from theoryctl_providers.litellm.vendor import Vendor
from theoryctl_providers.litellm.vendors import VENDORS

ABILITIES = ("text", "stream", "tools", "parallel tools", "structured", "refusal", "reasoning", "error", "usage")

Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]

#: Vendor, the lines of its env file, its model, and a word on what is special.
QUICK_STARTS = (
    ("OpenAI", ("OPENAI_API_KEY=sk-...",), "openai/gpt-4o-mini", ""),
    ("Anthropic", ("ANTHROPIC_API_KEY=sk-ant-...",), "anthropic/claude-sonnet-4-5", ""),
    (
        "Ollama",
        ("LLM_API_BASE=http://localhost:11434",),
        "ollama/llama3.2",
        "`ollama serve` starts it, and `ollama pull llama3.2` gets the model. This address is the default.",
    ),
    ("Gemini", ("GEMINI_API_KEY=AIza...",), "gemini/gemini-2.5-flash", "`GOOGLE_API_KEY` works too."),
    (
        "Azure",
        (
            "AZURE_API_KEY=...",
            "AZURE_API_BASE=https://my-resource.openai.azure.com",
            "AZURE_API_VERSION=2024-10-21",
        ),
        "azure/my-deployment",
        "The name after the slash is that of your deployment.",
    ),
    (
        "A server of your own",
        ("HOSTED_VLLM_API_BASE=http://localhost:8000/v1",),
        "hosted_vllm/my-model",
        "vLLM, or another server that speaks OpenAI's API; `HOSTED_VLLM_API_KEY` is its key, if it needs one. LM "
        "Studio is `lm_studio/my-model` at `LM_STUDIO_API_BASE`.",
    ),
)


def command(model: str) -> str:
    """Return the command of a quick start."""
    return f'theoryctl local run --ref llm/litellm@1 --mode real --env-file .env --model {model} --prompt "Say hello."'


def vendors_page(table: Table, shown: Shown) -> str:
    """Return the page; a vendor of whom nothing was shown has no row in its first table."""
    abilities = table(("vendor", *ABILITIES), _abilities(shown))
    variables = table(("vendor", "models", "needs", "may have", "address"), map(_variables, VENDORS))
    return f"""\
# Vendors

The name of a real model is `vendor/model`. Without a vendor it is a model of the default model's vendor: with
`llm/litellm@1` `gpt-4.1` is `openai/gpt-4.1`. A well-known name of another vendor's model needs its vendor.

theoryctl reads keys from the environment, or from the file that `--env-file` names. A key goes only to its vendor's own
address, or to the address that you set for this vendor.

## Quick starts

Each one is a file `.env` and a command. Real mode needs LiteLLM: `pip install "theoryctl[real]"`.

{_quick_starts()}
## What works

A test of this version has shown each "yes", against a local server that speaks the vendor's protocol. An empty cell
was not shown: the vendor does not have it, or LiteLLM does not pass it on.

{abilities}

`text` is a whole answer, and `stream` one in pieces. `structured` is `response_format` with a JSON Schema. A `refusal`
is an output of that name if the vendor sends a text, else `ERR_CONTENT_POLICY`. `error` is a refused key. `usage` is
the number of tokens as the vendor counts them.

## Variables

{variables}
"""


def _quick_starts() -> str:
    parts = []
    for title, lines, model, word in QUICK_STARTS:
        file = "\n".join(lines)
        parts.append(f"### {title}\n\n```env\n{file}\n```\n\n```sh\n{command(model)}\n```\n")
        parts += [f"{word}\n"] if word else []
    return "\n".join(parts)


def _abilities(shown: Shown) -> Iterable[Sequence[str]]:
    for vendor in VENDORS:
        cells = ["yes" if f"{vendor.name}: {ability}" in shown else "" for ability in ABILITIES]
        if any(cells):
            yield (vendor.title, *cells)


def _variables(vendor: Vendor) -> Sequence[str]:
    rules = [SecretRule(name=sets[0][0], alternatives=sets[1:]) for sets in vendor.needs]
    needed = {name for rule in rules for name in rule.names}
    others = [f"`{name}`" for name in vendor.variables if name not in needed]
    return (
        f"[{vendor.title}]({vendor.documentation})",
        ", ".join(f"`{prefix}/…`" for prefix in vendor.prefixes),
        "; ".join(rule.wanted for rule in rules) or "nothing",
        ", ".join(others),
        f"`{vendor.address}`" if vendor.address else "yours, or one for each region",
    )
