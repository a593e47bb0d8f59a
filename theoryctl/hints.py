"""Hints that are commands of ours: what to type next, made of what was typed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

PROGRAM = "theoryctl"

#: The command that ends what `eval "$(theoryctl local env)"` began in a shell.
LEAVE_INSTANCE = f'eval "$({PROGRAM} local env --unset)"'

#: Entries of a folder that are looked through for one that is called alike.
_MOST_ENTRIES = 2000

#: Parameters of `local start` that choose an image, to be left out where none runs; and the one that is never left out,
#: since what it refuses would run.
NO_IMAGE: Mapping[str, None] = dict.fromkeys(("oci", "build", "base_image", "platform"))
PROTECTING = "require_pin"


class Step(NamedTuple):
    """One command: its `path`, such as `local start` (empty: the command that was typed), its arguments, and its
    parameters by the names that the command's function gives them; None leaves one out that was typed.

    Unless it `inherits`, it is whole as it stands.
    """

    path: str
    arguments: tuple[str, ...]
    params: Mapping[str, Any]
    inherits: bool = True


class Hint(str):
    """A hint that is one command of ours, or several joined by `&&`.

    As text it says what is known where the failure was found. The command line, which knows what was typed, spells it
    with every flag of the user's that the command takes as well (`cli.hints`); an instance keeps what it was started
    with (`restart`).
    """

    steps: tuple[Step, ...]
    lead: str

    def __new__(cls, text: str, steps: tuple[Step, ...], lead: str = "") -> Hint:
        hint = super().__new__(cls, text)
        hint.steps, hint.lead = steps, lead
        return hint

    def __deepcopy__(self, _: Any) -> Hint:
        return self  # nothing changes it, and a result is made a document by copying it

    def then(self, other: Hint) -> Hint:
        """Both, the second if the first succeeds."""
        return Hint(f"{self} && {other}", (*self.steps, *other.steps), self.lead)

    def alone(self) -> Hint:
        """Return the hint without the flags that the user typed."""
        return Hint(self, tuple(step._replace(inherits=False) for step in self.steps), self.lead)

    def after(self, lead: str) -> Hint:
        """Return the hint for once something else is done, which `lead` says."""
        return Hint(f"{lead}, then: {self}", self.steps, lead)


def command(path: str, /, *arguments: str, **params: Any) -> Hint:
    """A command of ours, such as `command("local start", ref=ref, runtime="process")`."""
    words = [PROGRAM, *path.split(), *arguments, *(word for item in params.items() for word in flag_words(*item))]
    return Hint(shlex.join(words), (Step(path, arguments, params),))


def again(sentence: str, /, **params: Any) -> Hint:
    """The command that was typed, with these parameters; `sentence` says it where none was."""
    return Hint(sentence, (Step("", (), params),))


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The word that was meant, if one is near: first one of the same letters, for two of them change places easily."""
    from difflib import get_close_matches

    words = list(known)
    same = (each for each in words if sorted(each) == sorted(word))
    return next(same, None) or next(iter(get_close_matches(word, words, n=1, cutoff=cutoff)), None)


def path_hint(
    path: str,
    error: BaseException,
    use: Callable[[str], Hint],
    *,
    otherwise: str | None = None,
    is_wanted: Callable[[str], bool] = os.path.isfile,
) -> str:
    """The hint of a path that cannot be opened: where it does not exist, `use` of one that is called alike, else
    `otherwise`, else the command that lists the folder."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if near := near_path(path.rstrip("/"), is_wanted):
            return use(near)
        return otherwise or shlex.join(filter(None, ("ls", "-A", _existing_folder(path))))
    return shlex.join(("ls", "-A" if isinstance(error, IsADirectoryError) else "-ld", path))


def near_path(path: str, is_wanted: Callable[[str], bool]) -> str | None:
    """The path that was meant: each part that does not exist, as one in its folder that is called alike."""
    from difflib import get_close_matches

    above, name = os.path.split(path)
    folder = above if os.path.isdir(above or ".") else near_path(above, os.path.isdir)
    if folder is None:
        return None
    try:
        with os.scandir(folder or ".") as entries:
            found = {each.name.casefold(): os.path.join(folder, each.name) for each in islice(entries, _MOST_ENTRIES)}
    except OSError:
        return None
    wanted = {each: there for each, there in found.items() if is_wanted(there)}
    for near in get_close_matches(name.casefold(), wanted):
        if get_close_matches(_stem(name.casefold()), [_stem(near)]):  # endings alone make any two names near
            return wanted[near]
    return None


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _existing_folder(path: str) -> str:
    """The innermost folder above that exists; empty for the working folder."""
    above = os.path.dirname(path)
    return above if os.path.isdir(above or ".") else _existing_folder(above)


def make_folder(folder: str, *, otherwise: str) -> str:
    """The hint of a file whose folder may be missing: the command that makes it, else `otherwise`, also where a file
    stands in its way."""
    there = folder
    while there and not os.path.lexists(there):
        there = os.path.dirname(there)
    can_be_made = there != folder and os.path.isdir(there or ".")
    return shlex.join(("mkdir", "-p", folder)) if can_be_made else otherwise


def flag_words(name: str, value: Any, flag: str | None = None) -> list[str]:
    """A parameter as it is typed: `timeout=2.0` as `--timeout 2`; nothing for None and False."""
    flag = flag or f"--{name.strip('_').replace('_', '-')}"
    if value is None or value is False:
        return []
    if isinstance(value, (tuple, list)):
        return [word for item in value for word in flag_words(name, item, flag)]
    return [flag] if value is True else [flag, as_typed(value)]


def as_typed(value: Any) -> str:
    """A value as it is typed; seconds without a needless `.0`."""
    return f"{value:g}" if isinstance(value, float) else str(value)
