"""Inputs in the wrapping of the first system: `{"schema": "v1", "params": {…}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SCHEMA, _PARAMS, _VERSION = "schema", "params", "v1"


def unwrapped(inputs: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The inputs inside the wrapping; None for inputs without one.

    What a manifest's JSON Schema itself allows under either key is no wrapping.
    """
    if set(inputs) != {_SCHEMA, _PARAMS} or inputs[_SCHEMA] != _VERSION or not isinstance(inputs[_PARAMS], dict):
        return None
    refused = schema.get("additionalProperties") is False and not {_SCHEMA, _PARAMS} & set(schema.get("properties", {}))
    return dict(inputs[_PARAMS]) if refused else None
