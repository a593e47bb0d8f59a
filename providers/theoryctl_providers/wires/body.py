"""Bodies of vendors' APIs: their parameters, and the refusal of those that cannot be translated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.inputs.problems import unknown_keys


def is_streamed(body: Mapping[str, Any]) -> bool:
    """Return whether the answer is wanted in pieces. Raises ProviderError `ERR_INPUTS` for another value."""
    value = body.get("stream")
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong("stream", "expected boolean")


def schema_format(schema: Any) -> dict[str, Any]:
    """The `response_format` of an answer that has to fit a JSON Schema, which the API gives no name."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def check_keys(body: Mapping[str, Any], known: Collection[str], where: str = "") -> None:
    """Raise ProviderError `ERR_INPUTS` for keys that an API does not have, with the near miss.

    `where` is the path of an object inside the body, in which a vendor's own parameters have no place.
    """
    unknown = [name for name in body if name not in known]
    if unknown:
        problem = ", ".join(unknown_keys(unknown, sorted(known)))
        way = "" if where else "; a vendor's own parameters go into extra_body"
        first = f"{where}.{unknown[0][:200]}".removeprefix(".")
        message = f"inputs: ${'.' if where else ''}{where}: {problem}{way}"
        raise ProviderError("ERR_INPUTS", message, hint=f"change {first}", param=first)


def object_in(body: Mapping[str, Any], name: str, known: Collection[str] | None = None) -> dict[str, Any]:
    """A parameter that is an object, without its nulls; empty where it is unset.

    Raises ProviderError `ERR_INPUTS`, also for keys that are not among those `known`; None: any are.
    """
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(name, "expected an object")
    if known is not None:
        check_keys(value, known, name)
    return stated(value)


def word_in(value: Any, words: Mapping[str | None, str], param: str) -> str:
    """Translate one of the words of an API. Raises ProviderError `ERR_INPUTS` for another value."""
    if value is None or isinstance(value, str):
        found = words.get(value)
        if found is not None:
            return found
    known = " or ".join(str(word) for word in words if word is not None)
    raise wrong(param, f"expected {known}, got {value!r:.60}")


def list_in(value: Any, param: str) -> list[Any]:
    """A parameter that is a list; empty where it is unset. Raises ProviderError `ERR_INPUTS`."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(param, "expected array")
    return value


def stated(value: Mapping[str, Any]) -> dict[str, Any]:
    """The items that are no null."""
    return {name: item for name, item in value.items() if item is not None}


def wrong(param: str, reason: str) -> ProviderError:
    """A parameter that cannot be translated at all; all others are left to the engine's schema."""
    return ProviderError("ERR_INPUTS", f"inputs: $.{param}: {reason}", hint=f"change {param}", param=param)


def unsupported(param: str, reason: str, instead: str | None = None) -> ProviderError:
    """A parameter that asks for what a started provider does not do. `instead` is the hint, unless to leave it out."""
    message, hint = f"inputs: $.{param}: {reason}", instead or f"leave {param} out"
    return ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=hint, param=param)
