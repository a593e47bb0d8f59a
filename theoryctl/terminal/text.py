"""Text for a terminal, which shows it and obeys nothing of it."""

from __future__ import annotations

from typing import Any

#: C0 but for line feed and tab, DEL and C1 (ECMA-48): characters that a terminal would obey instead of showing them.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_JSON_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


def printable(text: str) -> str:
    r"""Text that a terminal only shows: control characters as their escapes (`\x1b`), line ends of Windows as ours."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def printable_cell(text: str) -> str:
    """A table's cell: `printable`, and on one line, without the tab that sets cells apart."""
    return printable(text).replace("\n", " ").replace("\t", " ")


def json_text(value: Any, *, plain: bool, indent: int | None = None) -> str:
    r"""A value as JSON. Unless it is `plain`, a terminal only shows it: DEL and C1, which JSON allows, as `\u009b`."""
    from theoryctl_providers.contract import dumps

    text = dumps(value, indent=indent)
    return text if plain else printable_json(text)


def printable_json(text: str) -> str:
    """JSON that a terminal only shows, with the same meaning."""
    return text.translate(_JSON_CONTROLS)


def wrapped(text: str, width: int, begin: int = 0) -> str:
    """Break the lines of a text between words, so that each has at most `width` characters, the first fewer by `begin`.

    A word that is longer, such as a path, stays whole.
    """
    from textwrap import TextWrapper

    wrapper = TextWrapper(width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False)
    first, *rest = text.split("\n")
    others = [wrapper.fill(line) for line in rest]
    wrapper.initial_indent = " " * begin
    return "\n".join([wrapper.fill(first)[begin:], *others])
