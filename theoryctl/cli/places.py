"""The places that a command has for words, and what has none there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer


def name_of(place: Any) -> str:
    """The name of a place, as the help has it, without what says that it may be empty or take several words."""
    return str(place.metavar or place.name.upper()).strip("[].")


def more_words(words: Sequence[str], context: Any) -> typer.BadParameter:
    """The error of words that a command has no place for."""
    places = [name_of(param) for param in context.command.params if param.param_type_name == "argument"]
    expected, got = (f"{' and '.join(places)} and no more words", "got also") if places else ("no words", "got")
    return typer.BadParameter(f"expected {expected}, {got} {' '.join(words)}", ctx=context)


#: Parameters that take any text, and so a key as well: what it says is asked of a model, or is read by its own reader.
_TEXTS = ("words", "prompt", "system", "option", "inputs_json")


def refuse_keys(context: Any) -> None:
    """Refuse a key where a name, a path or a ref is expected: it would be printed, kept in records, and asked for as a
    model. Raises BadParameter, which does not repeat it."""
    from theoryctl.cli.secret_words import is_key

    for param in context.command.params:
        if any(map(is_key, _values(context.params.get(param.name), param.name))):
            flag = None if param.param_type_name == "argument" else param.opts[0]
            error = typer.BadParameter(f"expected {name_of(param)}, got a key", ctx=context, param_hint=flag)
            error.hint = "set the key in the environment, or in an env file"  # type: ignore[attr-defined]
            raise error


def _values(value: Any, name: str) -> Iterator[str]:
    """The texts that were given to a parameter; of inputs, the model."""
    texts = value if isinstance(value, (list, tuple)) else (value,)
    for text in filter(lambda each: isinstance(each, str), texts):
        if name not in _TEXTS:
            yield text
        elif name == "option" and text.startswith("model="):
            yield text.removeprefix("model=")
