"""Inputs of a provider, made of the JSON Schema that its manifest has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theoryctl_providers.inputs.validate import compile_schema
from theoryctl_providers.mock.sampling.sampler import sample
from theoryctl_providers.mock.sampling.schema import CannotSample


def sampled_inputs(schema: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return inputs that a schema accepts, by name: the required keys alone, and the example with one key more each.

    They are the same on every run and platform. What the schema does not accept is left out; of a schema that no
    instance can be made of there are none.
    """
    accepts = compile_schema(dict(schema)).is_valid
    instance = _instance(schema, full=True) or _instance(schema, full=False)
    made = {"required keys": {key: instance[key] for key in schema.get("required", ()) if key in instance}}
    made |= {f"example and {key}": {**example, key: value} for key, value in instance.items() if key not in example}
    return {name: inputs for name, inputs in made.items() if accepts(inputs)}


def _instance(schema: Mapping[str, Any], *, full: bool) -> dict[str, Any]:
    try:
        made = sample(dict(schema), full=full)
    except CannotSample:
        return {}
    return made if isinstance(made, dict) else {}
