"""Find the command that was meant, where the one that was typed does not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

#: What other tools call our commands, by the words that docker, kubectl, ollama and systemctl have for them.
_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "ps": ("status",),
    "ls": ("list", "status"),
    "list": ("list", "status"),
    "up": ("start",),
    "serve": ("start",),
    "down": ("stop",),
    "kill": ("stop",),
    "rm": ("stop",),
    "inspect": ("show",),
    "describe": ("show",),
    "chat": ("run",),
    "init": ("new",),
}


def meant(word: str, group: Any, context: Any) -> tuple[str, ...] | None:
    """Return the words of the command that `word` was meant for in `group`, without the program's name; None where
    nothing is near: a command of the group first, then one of another group, in the order of the help."""
    here = list(_walk(tuple(context.command_path.split()[1:]), group, context))
    for known in (here, list(_walk((), context.find_root().command, context))):
        names = [path[-1] for path in known]
        for name in (word, *_ELSEWHERE.get(word, ()), *get_close_matches(word, names, n=1)):
            if paths := [path for path in known if path[-1] == name]:
                return min(paths, key=len)
    return None


def _walk(path: tuple[str, ...], group: Any, context: Any) -> Iterator[tuple[str, ...]]:
    """All commands and groups below a group, those next to it first."""
    names = group.list_commands(context)
    yield from ((*path, *name.split()) for name in names)
    for name in names:
        below = group.get_command(context, name)
        if hasattr(below, "list_commands"):
            yield from _walk((*path, name), below, context)
