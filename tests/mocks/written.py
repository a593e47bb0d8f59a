"""Recordings that are written by hand."""

from __future__ import annotations

from typing import Any

from theoryctl_providers.contract import Delta, Finish, Recording, Usage


def recorded(asked: Any, said: str, model: str = "openai/gpt-4o-mini", **more: Any) -> Recording:
    """An exchange: the user's words (or the inputs whole), and the answer."""
    inputs = {"messages": [{"role": "user", "content": asked}], "model": model} if isinstance(asked, str) else asked
    key = Recording.key_for("chat", inputs)
    events = (Delta(0, said), Finish(0, "stop"), Usage(10, 5, 0.01))
    return Recording(key=key, operation="chat", model=model, inputs=inputs, events=events, **more)
