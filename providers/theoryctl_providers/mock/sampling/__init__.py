"""One deterministic JSON instance for a JSON Schema, for structured outputs that a mock model has to invent.

Schemas are read as draft 2020-12 (https://json-schema.org/draft/2020-12). All of the subset that OpenAI's structured
outputs accept is met (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas); of the rest,
`not`, `if`, `contains`, `dependent*`, `unevaluated*` and `propertyNames` are not looked at, so check the instance.
"""

from __future__ import annotations

from typing import Any

from theoryctl_providers.mock.sampling.sampler import Sampler
from theoryctl_providers.mock.sampling.schema import CannotSample

__all__ = ["CannotSample", "sample"]


def sample(schema: dict[str, Any] | bool, *, name: str = "value") -> Any:
    """Return the same JSON value for the same `schema` on every run, platform and Python version.

    Free strings read `mock <property name>`, with `name` for the outermost value. Only references inside `schema` are
    followed; nothing is fetched. Raises CannotSample when the schema cannot be met, is not understood or asks too much.
    """
    try:
        return Sampler(schema).value(name)
    except (RecursionError, OverflowError) as error:
        raise CannotSample("$", f"the schema is too deep or its numbers are too large ({error})") from None
