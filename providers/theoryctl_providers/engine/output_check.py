"""Outputs against the schema that a manifest has for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theoryctl_providers.contract import OutputDocument, ProviderError, Request, is_mock
from theoryctl_providers.inputs.validate import problems_of


def check_outputs(outputs: Sequence[OutputDocument], request: Request) -> None:
    """Validate the outputs of a chat, by their names: a text or JSON one by its value, a binary one by its base64.

    Raises ProviderError that lists the problems: `ERR_BAD_RESPONSE` for the answer of a vendor, of a script or of
    recordings, which stand for one; `ERR_PROVIDER` for the provider's own mock, which breaks its manifest's promise.
    """
    schema = request.config.output_schema
    if schema is None or request.operation != "chat":
        return
    problems = problems_of({output["name"]: _value(output) for output in outputs}, schema)
    if problems:
        lines = "\n  ".join(["expected outputs that fit the manifest's schema, got", *problems])
        raise _misfit(request, f"outputs: {lines}")


def _value(output: OutputDocument) -> Any:
    return output["json"] if "json" in output else output.get("text", output.get("base64"))


def _misfit(request: Request, message: str) -> ProviderError:
    config = request.config
    own_mock = is_mock(request.mode or config.mode) and config.script is None and config.replay is None
    if own_mock:
        hint = "change the provider's mock, or outputs in the manifest"
        return ProviderError("ERR_PROVIDER", message, hint=hint)
    hint = "ask for the form in the inputs, such as by response_format, or change outputs in the manifest"
    return ProviderError("ERR_BAD_RESPONSE", message, hint=hint)
