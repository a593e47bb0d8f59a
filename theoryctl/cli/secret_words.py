"""Keys among the words that were typed: no error repeats them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence

from theoryctl_providers.contract.key_shapes import KEY

#: Names of variables that hold a key, and what gives one a value: `NAME=value` (but for `NAME=-`, which Modal asks for)
#: or a flag such as `--token-secret`.
_GIVEN = re.compile(
    r"\b[A-Z0-9_]*(KEY|TOKEN|SECRET|PASSWORD)[A-Z0-9_]*=(?!-(\s|$))\S|--(api-key|password|token|token-secret)[= ]\S"
)
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")

#: A shorter value of a variable may be a word that stands for something else as well.
_SHORTEST = 8
#: Characters of a variable's value that is a key wherever it stands alone.
_SHORTEST_ALONE = 16


def covered(text: str, arguments: Sequence[str] = ()) -> str:
    """Return the text of an error without what looks like a key, and without what is secret of the words that were
    typed, quoted or not: CI keeps what is printed."""
    for word in filter(is_secret, (piece for argument in arguments for piece in _pieces(argument))):
        for form in (word, repr(word)[1:-1], json.dumps(word)[1:-1]):
            text = text.replace(form, name_alone(word))
    return KEY.sub("…", text)


def _pieces(word: str) -> Iterator[str]:
    """A word, and what an error may say of it: the value behind a name, or behind the letter of a flag."""
    yield word
    yield word.partition("=")[2]
    if re.match(r"-\w", word):
        yield word[2:]


def name_alone(word: str) -> str:
    """Return `NAME=value` without its value."""
    name, equals, _ = word.partition("=")
    return f"{name}=…" if equals and not is_secret(name) else "…"


def is_secret(text: str) -> bool:
    """Return whether a text holds a key: it looks like one, is given to a name of one, or is that of a variable."""
    return bool(KEY.search(text) or _GIVEN.search(text) or any(value in text for value in _held_in_variables()))


def is_key(text: str) -> bool:
    """Return whether a text is a key as a whole, after a vendor's name or not.

    Words between dashes are none, nor is a word that a variable such as `KEY_NAME` holds.
    """
    last = text.rpartition("/")[2]
    has_digit = any(map(str.isdigit, last))
    if KEY.fullmatch(last):
        return has_digit or last.count("-") == 1
    return has_digit and len(last) >= _SHORTEST_ALONE and last in _held_in_variables()


def _held_in_variables() -> Iterator[str]:
    """The values of variables that hold a key; one such as `SSH_KEY_PATH` says where a key is, which is no secret."""
    for name, value in os.environ.items():
        is_path = name.endswith(("_PATH", "_FILE", "_DIR")) or os.path.exists(value)
        if _SECRET.search(name) and len(value) >= _SHORTEST and not is_path:
            yield value
