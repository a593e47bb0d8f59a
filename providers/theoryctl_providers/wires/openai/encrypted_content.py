"""Blocks that a vendor wants back with its reasoning, as the text that clients of the Responses API keep unread."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError, canonical, loads

#: Outputs that a vendor wants back in the assistant's message, under these names.
BLOCKS = ("thinking_blocks", "reasoning_details")


def packed(blocks: Mapping[str, Any]) -> str:
    """Write blocks, by the names that they have in a message, as an item's `encrypted_content`."""
    return base64.b64encode(canonical(dict(blocks))).decode()


def unpacked(text: Any) -> dict[str, Any]:
    """Read what `packed` wrote; what somebody else wrote means nothing here, and is empty."""
    try:
        value = loads(base64.b64decode(text, validate=True), what="encrypted_content")
    except (TypeError, ValueError, binascii.Error, ProviderError):
        return {}
    return {name: value[name] for name in BLOCKS if name in value} if isinstance(value, dict) else {}
