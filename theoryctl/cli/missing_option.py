"""Find the value of a required option among the words of a command that takes none but a ref."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theoryctl.cli.arguments import read


def completed(arguments: Sequence[str], error: Any) -> list[str] | None:
    """Return the arguments with a word as the value of the option that is missing, as `runs report out.html`.

    None for another error than that of a missing option, and where no word, or one that is a ref, was typed.
    """
    param, context = getattr(error, "param", None), getattr(error, "ctx", None)
    if param is None or context is None or not _is_missing(param, context):
        return None
    words = read(arguments).command[len(context.command_path.split()) - 1 :]
    if len(words) != 1 or "@" in words[0]:
        return None
    at = len(arguments) - 1 - list(reversed(arguments)).index(words[0])
    return [*arguments[:at], param.opts[0], *arguments[at:]]


def _is_missing(param: Any, context: Any) -> bool:
    return param.param_type_name == "option" and param.required and context.params.get(param.name) is None
