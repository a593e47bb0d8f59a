"""The places that a command has for words: LINES, FILE, REF."""

from __future__ import annotations

from collections.abc import Sequence
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
