"""Parameters that mean the same in every exchange of OpenAI's API, and their refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError, Request, Result, Started
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.wires.exchange import Chunks, Exchange, Head, head_of


class OpenAIExchange(Exchange):
    """An exchange whose answer has an id and a time, and repeats the name of the model."""

    #: The model as it was asked for.
    model: Any
    head: Head

    def begin(self, call: Request, started: Started) -> None:
        """Give the answer its id and time."""
        self.head = head_of(call, started, self.model)
        self.chunks = self.chunked(self.head) if self.streamed else None

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        raise NotImplementedError

    @staticmethod
    def answer_of(result: Result) -> Answer:
        """The answer of a run that went well."""
        assert result.answer is not None
        return result.answer


def choice_of(choice: Any) -> Any:
    """A `tool_choice` as it is. Raises ProviderError `ERR_UNSUPPORTED_PARAM` for one of another kind of tool."""
    kind = choice.get("type", "function") if isinstance(choice, dict) else "function"
    if isinstance(kind, str) and kind != "function":
        raise unsupported("tool_choice", f"only a function can be chosen, not {kind!r:.200}")
    return choice


def is_streamed(body: Mapping[str, Any]) -> bool:
    """Return whether the answer is wanted in pieces. Raises ProviderError `ERR_INPUTS` for another value."""
    value = body.get("stream")
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong("stream", "expected boolean")


def wrong(param: str, reason: str) -> ProviderError:
    """A parameter that cannot be translated at all; all others are left to the engine's schema."""
    return ProviderError("ERR_INPUTS", f"inputs: $.{param}: {reason}", hint=f"change {param}", param=param)


def unsupported(param: str, reason: str) -> ProviderError:
    """A parameter that asks for what a started provider does not do."""
    return ProviderError(
        "ERR_UNSUPPORTED_PARAM", f"inputs: $.{param}: {reason}", hint=f"leave {param} out", param=param
    )
