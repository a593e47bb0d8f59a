"""Blocks of reasoning that a vendor wants back, unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract.answer import is_unicode
from theoryctl_providers.litellm.parts import in_json


def signature_of(message: Mapping[str, Any]) -> str | None:
    """The signature that ends a block of reasoning. Of several blocks at once the reasoning has come as one."""
    blocks = message.get("thinking_blocks")
    if not isinstance(blocks, list) or len(blocks) != 1 or not isinstance(blocks[0], Mapping):
        return None
    signature = blocks[0].get("signature")
    return signature if isinstance(signature, str) and signature and is_unicode(signature) else None


def note_blocks(noted: dict[str, list[dict[str, Any]]], message: Mapping[str, Any]) -> None:
    """Keep what the vendor wants back, and put the pieces of a streamed block together."""
    for name, text in (("thinking_blocks", "thinking"), ("reasoning_details", "text")):
        pieces = message.get(name)
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, Mapping):
                _add_block(noted.setdefault(name, []), in_json(piece), text)


def _add_block(blocks: list[dict[str, Any]], piece: dict[str, Any], text: str) -> None:
    last = blocks[-1] if blocks else {}
    is_same = last.get("type") == piece.get("type") and last.get("index") == piece.get("index")
    if not is_same or last.get("signature") or not (text in piece or "summary" in piece):
        blocks.append(piece)
        return
    for key, value in piece.items():
        joined = key in (text, "summary") and isinstance(last.get(key), str) and isinstance(value, str)
        last[key] = last[key] + value if joined else last.get(key) if value in (None, "") else value
