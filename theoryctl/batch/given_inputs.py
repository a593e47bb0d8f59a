"""The check of inputs that are given once for all lines, before the lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from theoryctl.batch.lines import Line
from theoryctl.batch.requests import Check, RequestMaker
from theoryctl_providers.contract import Operation, ProviderError

#: Keywords of a JSON Schema that concern one input by itself; the others need what a line adds.
_OF_ONE_INPUT = ("$schema", "$defs", "definitions", "properties", "patternProperties", "additionalProperties", "type")

_EMBEDDED = {"input": "Hello"}


def check_given(maker: RequestMaker, check: Check, operation: Operation) -> None:
    """Check each input that flags give to all lines, as far as no other input concerns it.

    Raises ProviderError, such as `ERR_INPUTS` and `ERR_MODEL_NOT_FOUND`, as one run with these inputs would.
    """
    from theoryctl_providers.inputs.normalize import normalized
    from theoryctl_providers.inputs.validate import check_inputs

    options = {name: value for name, value in maker.given.items() if name != "model"}
    schema = {name: part for name, part in _schema(maker, operation).items() if name in _OF_ONE_INPUT}
    check_inputs(normalized(options, schema), schema)
    if "model" in maker.given:
        _check_model(maker, check, operation)


def _check_model(maker: RequestMaker, check: Check, operation: Operation) -> None:
    """Check the model with inputs that fit any. Whatever else is wrong with that request concerns no line."""
    inputs = _EMBEDDED if operation == "embeddings" else maker.example
    alone = replace(maker, given={"model": maker.given["model"]})
    try:
        check(alone.make(Line(0, None, dict(inputs), operation=operation)))
    except ProviderError as error:
        if error.code == "ERR_MODEL_NOT_FOUND" or error.param == "model":
            raise


def _schema(maker: RequestMaker, operation: Operation) -> Mapping[str, Any]:
    from theoryctl_providers.inputs.validate import chat_schema, embeddings_schema

    return embeddings_schema() if operation == "embeddings" else maker.config.input_schema or chat_schema()
