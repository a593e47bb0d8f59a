"""Families of models: the vendor of a well-known name that stands alone."""

from __future__ import annotations

#: Beginnings of well-known model names, and whose they are.
_FAMILIES = {
    "claude": "anthropic",
    "gpt": "openai",
    "chatgpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "text-embedding-3": "openai",
    "gemini": "gemini",
    "mistral": "mistral",
    "codestral": "mistral",
    "deepseek": "deepseek",
    "grok": "xai",
    "command": "cohere",
    "sonar": "perplexity",
    "llama": "ollama",
    "qwen": "ollama",
    "gemma": "ollama",
    "phi": "ollama",
}


#: Vendors that serve models of their own alone, so that a well-known name of another's is none of theirs.
_MAKERS = frozenset(_FAMILIES.values()) - {"ollama"}


def vendor_of_family(name: str) -> str | None:
    """Return the vendor of a well-known name that stands alone; None for a name of no known family."""
    return next((vendor for start, vendor in _FAMILIES.items() if name.lower().startswith(start)), None)


def vendor_meant(name: str, vendor: str | None) -> str | None:
    """Return the vendor of a model that was named without one: `vendor`, that of the default model; None for the
    well-known name of another vendor's model, where `vendor` serves none but its own."""
    return vendor if vendor not in _MAKERS or vendor_of_family(name) in (None, vendor) else None
