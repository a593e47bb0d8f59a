"""Find the command that was meant, where the one that was typed does not exist."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import Any

from theoryctl.cli.completion import SHELLS, SHOW
from theoryctl.cli.hints import command_at, fit

#: What other tools call our commands, by the words that docker, kubectl, ollama and systemctl have for them.
_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "ps": ("status",),
    "ls": ("list", "status"),
    "list": ("status",),
    "up": ("start",),
    "serve": ("start",),
    "deploy": ("start",),
    "down": ("stop",),
    "kill": ("stop",),
    "rm": ("stop", "prune"),
    "remove": ("stop", "prune"),
    "delete": ("stop", "prune"),
    "restart": ("status",),
    "stats": ("cost", "status"),
    "inspect": ("show",),
    "get": ("show", "list"),
    "view": ("show",),
    "tail": ("logs",),
    "describe": ("show",),
    "chat": ("run",),
    "ask": ("run",),
    "prompt": ("run",),
    "generate": ("run",),
    "exec": ("run",),
    "init": ("new",),
    "create": ("new",),
    "add": ("new",),
    "login": ("models",),
    "auth": ("models",),
    "keys": ("models",),
    "vendors": ("models",),
    "providers": ("list",),
    "history": ("runs list",),
    "usage": ("cost",),
    "setup": ("doctor",),
    "info": ("doctor",),
    "url": ("env",),
    "completion": ("show-completion",),
    "check": ("validate",),
    "validate": ("check",),
}

#: Groups by other words for what they keep.
_NOUNS = {"provider": "manifest", "instance": "local", "container": "local", "ledger": "runs", "script": "mocks"}

#: Words for what a group itself has several of. Those of another group are something else.
_OF_ITS_OWN = ("list", "ls", "rm", "remove", "delete", "check", "validate")

#: Commands that are refused without a ref.
_OF_A_REF = ("stop", "new")

#: The likeness that two words of three letters have with one other letter, and that which longer ones need; with less,
#: `auth` is near to `path`, and `login` to `logs`.
_NEAR_SHORT, _NEAR = 0.66, 0.75


def meant(arguments: Sequence[str], group: Any, context: Any) -> list[str] | None:
    """Return the arguments, which begin with an unknown word, as they were meant in `group`, without the program's
    name; None where nothing is near.

    They are a command's, of the group that is the word in the plural, then of the group itself, then of another one, in
    the order of the help, if it takes the words that follow; or a flag of the group without its dashes; or, where the
    group is called like a command elsewhere, that command's; or, for a word with spaces, the prompt of a run.
    """
    word, rest = arguments[0], arguments[1:]
    here = tuple(context.command_path.split()[1:])
    names = (word, *_ELSEWHERE.get(word, ()))
    all_commands = list(_walk((), context.find_root().command, context))
    if not here and (path := _of_noun(word, rest, all_commands) or _of_noun(*_swapped(word, rest), all_commands)):
        return [*path, *rest[1:]]
    known = [*_next_to(here, group, context), all_commands]
    if here and word in _OF_ITS_OWN:
        known.pop()
    path = _named(known, names)
    if path and _takes(path, rest, here, context, is_named=path[-1] == word):
        return [*path, *_with_ref_or_help(path, rest)]
    if word == "help" and rest and rest[0] not in group.list_commands(context):
        others = [each for each in rest if each != "help"]
        return [*((others and meant(others, group, context)) or here), "--help"]
    flags = {flag for param in group.get_params(context) if not getattr(param, "hidden", False) for flag in param.opts}
    if flag := next((f"--{name}" for name in names if f"--{name}" in flags), None):
        kept = rest if flag == f"--{word}" else [each for each in rest if each.startswith("-")]
        return [*here, *kept, flag, *(each for each in rest if flag == SHOW and each in SHELLS)]
    if here and _is_path(word) and len(only := group.list_commands(context)) == 1:
        return [*here, *only, *arguments]
    if here and _is_path(word) and (twin := _named([_others(all_commands, here)], here[-1:])):
        return [*twin, *arguments]
    if " " in word.strip() and here in ((), ("local",), ("modal",)):
        return [*(here or ("local",)), "run", *arguments]
    path = next(filter(None, (_near(paths, word) for paths in known)), None)
    return [*path, *rest] if path and _takes(path, rest, here, context) else None


def _swapped(word: str, rest: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The first two words in the other order: `list runs`."""
    return (rest[0], [word]) if rest else ("", [])


def _of_noun(noun: str, rest: Sequence[str], known: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The command of a group, `run ls` and `providers list`: the group in the singular or plural, or by another word
    for what it keeps, and the command by any word for it; None where there is no such command."""
    single = noun.removesuffix("s")
    groups = [single, f"{single}s", *filter(None, [_NOUNS.get(single)])]
    verbs = [rest[0], *_ELSEWHERE.get(rest[0], ())] if rest else []
    if "models" in groups and "list" in verbs:
        return ("models",)  # it is a command, and takes parts of names
    paths = ((group, verb) for group in groups for verb in verbs)
    return next((path for path in paths if path in known), None)


def of_modal(arguments: Sequence[str], context: Any) -> str | None:
    """Return the command of Modal's own program that was typed as one of `theoryctl modal`; None for any other.

    The values of a Secret's keys are asked for again, and where another word holds something secret, the flags and all
    that follows that word are left out.
    """
    from theoryctl.modal.program import ITS_OWN, modal_command

    names = {" ".join(arguments[:1]), " ".join(arguments[:2])}
    if context.command_path.split()[1:] != ["modal"] or ITS_OWN.isdisjoint(names):
        return None
    words = ["token", "new"] if list(arguments) == ["token"] else arguments
    if "secret create" in names:
        words = list(map(_asked_for, words))
    whole = modal_command(*words)
    return (
        whole if fit(whole) else modal_command(*takewhile(lambda word: not word.startswith("-") and fit(word), words))
    )


def _asked_for(word: str) -> str:
    """A key of a Secret without its value: for `KEY=-` Modal opens an editor (modal/cli/secret.py of 1.6.4)."""
    key, is_value, _ = word.partition("=")
    return f"{key}=-" if is_value and not word.startswith("-") else word


def of_restart(arguments: Sequence[str], context: Any) -> str | None:
    """Return the commands that stop the started instance and start it as it was, where `local restart` was typed; None
    for any other word, and unless there is one instance, of the ref that was typed if there was one."""
    if context.command_path.split()[1:] != ["local"] or arguments[:1] != ["restart"]:
        return None
    from theoryctl.instances.records import all_instances
    from theoryctl.instances.restart import stop_and_start

    refs = [word for word in arguments if "/" in word]
    found = [each for each in all_instances() if not refs or each.ref in refs]
    return str(stop_and_start(found[0])) if len(found) == 1 else None


def _takes(
    path: tuple[str, ...], rest: Sequence[str], here: tuple[str, ...], context: Any, *, is_named: bool = True
) -> bool:
    """Return whether a command has a place for the words that were typed after another one's name. One of the same
    group, `here`, counts as meant, whatever they are, if it `is_named` and no other tool's word for it is."""
    if is_named and here and path[: len(here)] == here:
        return True
    found = command_at(path, context)
    places = [param for param in found.params if param.param_type_name == "argument"]
    if hasattr(found, "list_commands") or any(place.nargs < 0 for place in places):
        return True
    words = list(takewhile(lambda word: not word.startswith("-"), rest))
    flags = {word.partition("=")[0] for word in rest if word.startswith("--")}
    known = {flag for param in found.params for flag in param.opts}
    return len(words) <= len(places) and all(map(_suits, words, places)) and (not here or flags <= known)


def _with_ref_or_help(path: tuple[str, ...], rest: Sequence[str]) -> list[str]:
    """The words that follow a command; for one that changes what a ref names, and got no ref, its help."""
    if path[-1] == "status":
        return [word for word in rest if word not in ("-a", "--all")]
    is_named = any("/" in word or word == "--all" for word in rest)
    return [*rest] if is_named or path[-1] not in _OF_A_REF else ["--help"]


def _suits(word: str, place: Any) -> bool:
    is_ref = "/" in word and not os.path.exists(word)
    return is_ref or place.name not in ("ref", "other_ref")


def _named(known: Iterable[list[tuple[str, ...]]], names: Sequence[str]) -> tuple[str, ...] | None:
    """The shortest path to the first of the names, in the first of the lists that has one."""
    for paths in known:
        for name in names:
            words = tuple(name.split())
            if found := [path for path in paths if path[-len(words) :] == words]:
                return min(found, key=len)
    return None


def _near(known: list[tuple[str, ...]], word: str) -> tuple[str, ...] | None:
    """The path to the command whose name is nearest to a word that begins alike."""
    names = [path[-1] for path in known if path[-1][:1] == word[:1]]
    return _named(
        [known], get_close_matches(word, names, n=1, cutoff=_NEAR_SHORT if len(word) == len("run") else _NEAR)
    )


def _next_to(here: tuple[str, ...], group: Any, context: Any) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The commands of a group itself, and those of the groups in it."""
    paths = list(_walk(here, group, context))
    own = [(*here, *name.split()) for name in group.list_commands(context)]
    return own, [path for path in paths if path not in own]


def _others(known: list[tuple[str, ...]], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [each for each in known if each != path]


def _is_path(word: str) -> bool:
    """Return whether a word is a file, or is written like one: no command has a dot or a slash."""
    return word == "-" or "." in word or "/" in word or os.path.exists(word)


def _walk(path: tuple[str, ...], group: Any, context: Any) -> Iterator[tuple[str, ...]]:
    """All commands and groups below a group, those next to it first."""
    names = group.list_commands(context)
    yield from ((*path, *name.split()) for name in names)
    for name in names:
        below = group.get_command(context, name)
        if hasattr(below, "list_commands"):
            yield from _walk((*path, name), below, context)
