"""Log probabilities of tokens, in the form of OpenAI's chat completions and in that of its older completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from theoryctl_providers.litellm.parts import in_json

#: Parallel lists, one entry a token (platform.openai.com/docs/api-reference/completions/object, `logprobs`).
_OLDER = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


def note_logprobs(noted: dict[str, list[Any]], said: Any) -> None:
    """Add those of one chunk, or of a whole choice, to what is `noted`: lists by name, in OpenAI's form `content`."""
    found = {"content": said} if isinstance(said, list) else said if isinstance(said, Mapping) else {}
    if isinstance(found.get("tokens"), list):
        others = {name: value for name, value in found.items() if name not in (*_OLDER, "content")}
        found = {**others, "content": found.get("content") or list(_in_chats_form(found))}
    for name, values in found.items():
        if isinstance(values, list) and values:
            noted.setdefault(name, []).extend(in_json(values))


def _in_chats_form(said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    numbers, tops = (value if isinstance(value := said.get(name), list) else [] for name in _OLDER[1:3])
    for at, token in enumerate(said["tokens"]):
        top = tops[at] if at < len(tops) else None
        yield {**_entry(token, numbers[at] if at < len(numbers) else None), "top_logprobs": _top(top)}


def _top(top: Any) -> list[Any]:
    """The likeliest tokens at a place: an object of numbers by token, or the list that it is in newer servers."""
    return [_entry(token, number) for token, number in top.items()] if isinstance(top, Mapping) else top or []


def _entry(token: Any, number: Any) -> dict[str, Any]:
    return {"token": token if isinstance(token, str) else str(token), "logprob": number, "bytes": None}
