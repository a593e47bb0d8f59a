"""Tokens of texts, counted before they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: OpenAI's encoding o200k_base, which LiteLLM's package carries under the SHA-1 of its address (load.py of tiktoken
#: 0.14), and its pattern (tiktoken_ext/openai_public.py). tiktoken itself would look for it in the network.
_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

#: Tokens that frame a message (cookbook.openai.com, "How to count tokens with tiktoken").
_FRAME = 4

#: The least and the most of another vendor's tokens for one of OpenAI's, and of OpenAI's for a text of its own.
_LEAST, _MOST, _MOST_OF_OTHERS = 0.9, 1.1, 1.5

#: Bytes of a token, at most and at least, where no encoding is installed.
_LONGEST, _SHORTEST = 6, 2


class TokenCounter:
    """Counts tokens with OpenAI's encoding, or by bytes where LiteLLM is not installed."""

    def __init__(self) -> None:
        self._encode = _encoder()

    def count(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Return the fewest and the most tokens that inputs may have."""
        texts = list(_texts({name: inputs.get(name) for name in ("messages", "input", "tools", "response_format")}))
        frames = _FRAME * len(inputs.get("messages") or ())
        if self._encode is None:
            size = sum(len(text.encode()) for text in texts)
            return size // _LONGEST, size // _SHORTEST + 2 * frames
        counted = sum(map(self._encode, texts))
        is_openai = str(inputs.get("model", "openai/")).startswith("openai/")
        return int(counted * _LEAST), int(counted * (_MOST if is_openai else _MOST_OF_OTHERS)) + 2 * frames + 1


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value; of pictures in base64 none."""
    if isinstance(value, str):
        if not value.startswith("data:"):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _encoder() -> Callable[[str], int] | None:
    from importlib.util import find_spec

    from theoryctl.batch.prices import table_file

    table = table_file()
    file = table.parent / "litellm_core_utils" / "tokenizers" / _FILE if table else None
    if file is None or not file.is_file() or find_spec("tiktoken") is None:
        return None
    import base64

    import tiktoken

    pairs = (line.split() for line in file.read_bytes().splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    encoding = tiktoken.Encoding("o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})
    return lambda text: len(encoding.encode_ordinary(text))
