"""Settings files: TOML, with the line of each key, and the commands that correct one."""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

from theoryctl.errors import UsageError
from theoryctl.hints import nearest
from theoryctl_providers.contract import read_regular
from theoryctl_providers.contract.key_shapes import KEY

#: A page of text; anything larger is a mistake.
MAX_BYTES = 1 << 20

#: The key that a line begins with, also as a table, and the rest of the line.
_KEY = re.compile(r"[ \t]*\[*[ \t]*[\"']?([A-Za-z0-9_-]+)(.*)")
#: A text without its quotation marks, as a value.
_BARE = re.compile(r"[ \t]*=[ \t]*([^\s\"'#\[{][^\"'#]*?)\s*")
#: Where the TOML ends, as `tomllib` says it.
_AT = re.compile(r" \(at line (\d+), column \d+\)$")


class BadSetting(UsageError):
    """A setting, or a file of settings, that is not what it must be.

    `fix` is the command that ends it, which is the hint unless there is a better one. `text` is the wrong value.
    """

    def __init__(self, message: str, *, fix: str, hint: str | None = None, text: str = "") -> None:
        super().__init__(message, hint=hint or fix)
        self.fix, self.text = fix, text


class SettingsFile:
    """A settings file as it was read: `values` by name, as TOML has them. `known` are the names of settings.

    Raises BadSetting, also for a name that is none of them.
    """

    def __init__(self, path: Path, known: Collection[str]) -> None:
        self.path, self.short, self._known = path, short(path), known
        self._text = self._decoded(self._read())
        self.values = self._parsed()
        for name, value in self.values.items():
            if name not in known:
                raise self._unknown(name, value)

    def where(self, name: str) -> str:
        """Return the place of a value, for an error: `theoryctl.toml:3: timeout`."""
        line = self._line_of(name)
        return f"{self.short}:{line}: {name}" if line else f"{self.short}: {name}"

    def replaced(self, name: str, text: str) -> str:
        """Return the command that gives a setting another value."""
        return self._sed(name, f"s|.*|{_escaped(_assigned(name, text))}|")

    def removed(self, name: str) -> str:
        """Return the command that takes a value out; all of the file goes aside where its line alone is not enough."""
        return self._aside if isinstance(self.values[name], dict) else self._sed(name, "d")

    @property
    def _aside(self) -> str:
        """The command that puts the file out of the way, and keeps it."""
        return shlex.join(("mv", self._word, f"{self._word}.broken"))

    def _unknown(self, name: str, value: Any) -> BadSetting:
        """The error for a name that is no setting, with the one that was meant."""
        where = self.where(name)
        if isinstance(value, dict):
            while len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
                value = inner
            fix = self._sed(name, "d") if set(value) <= set(self._known) else self._aside
            return BadSetting(f"{where}: expected settings outside of tables, got a table", fix=fix)
        if right := nearest(name.lower().removeprefix("theoryctl_").replace("-", "_"), self._known):
            fix = self._sed(name, f"s/{name}/{right}/")
            return BadSetting(f"{where}: there is no such setting; did you mean {right}?", fix=fix)
        message = f"{where}: there is no such setting: expected one of {', '.join(self._known)}"
        return BadSetting(message, fix=self.removed(name))

    @cached_property
    def _lines(self) -> list[str]:
        return self._text.split("\n")

    @property
    def _word(self) -> str:
        """The path as a shell takes it, which expands no ~ in quotation marks."""
        return str(self.path) if self.short.startswith("~") else self.short

    def _line_of(self, name: str) -> int | None:
        """The number of the line that a key begins; None for one in several lines or in escapes."""
        for at, line in enumerate(self._lines):
            if (found := _KEY.match(line)) and found[1] == name and _toml("\n".join(self._lines[:at])) is not None:
                return at + 1
        return None

    def _sed(self, name: str, change: str) -> str:
        line = self._line_of(name)
        if line is None or _toml(self._lines[line - 1]) is None:
            return self._aside
        return shlex.join(("sed", "-i.bak", f"{line}{change}", self._word))

    def _read(self) -> bytes:
        try:
            data = read_regular(self.path, MAX_BYTES)
        except OSError as error:
            listed = shlex.join(("ls", "-ld", self._word))
            message = f"{self.short}: expected a file that can be read: {error.strerror}"
            raise BadSetting(message, hint=listed, fix=self._aside) from None
        if len(data) > MAX_BYTES:
            message = f"{self.short}: expected at most {MAX_BYTES} bytes, got more"
            raise BadSetting(message, hint=shlex.join(("ls", "-ld", self._word)), fix=self._aside)
        return data

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            message = f"{self.short}:{line}: expected UTF-8, got the byte 0x{data[error.start]:02x}"
            raise BadSetting(message, hint=f"save {self.short} as UTF-8", fix=self._aside) from None

    def _parsed(self) -> dict[str, Any]:
        try:
            return tomllib.loads(f"{self._text}\n")  # so that the last line has a number as well
        except tomllib.TOMLDecodeError as error:
            raise self._bad_line(str(error)) from None

    def _bad_line(self, reason: str) -> BadSetting:
        """The error for the line that is no TOML, by its key; its value may be a secret."""
        at = _AT.search(reason)
        if at is None:
            return BadSetting(f"{self.short}: expected TOML: {reason}", hint=f"correct {self.short}", fix=self._aside)
        number, why = int(at[1]), reason[: at.start()]
        found = _KEY.match(self._lines[number - 1])
        where = f"{self.short}:{number}: {found[1]}" if found and "=" in found[2] else f"{self.short}:{number}"
        sed = ("sed", "-i.bak")
        if found and found[1] in (_toml("\n".join(self._lines[: number - 1])) or ()):
            fix = shlex.join((*sed, f"{number}d", self._word))
            return BadSetting(f"{where}: expected one value, got a second one", fix=fix)
        bare = _BARE.fullmatch(found[2]) if found and found[1] in self._known else None
        if found and bare and not KEY.search(bare[1]):
            fix = shlex.join((*sed, f"{number}s|.*|{_escaped(_assigned(found[1], bare[1]))}|", self._word))
            return BadSetting(f"{where}: expected a text in quotation marks, got one without", fix=fix)
        return BadSetting(
            f"{where}: expected TOML: {why}", hint=f"correct line {number} of {self.short}", fix=self._aside
        )


def short(file: Path) -> str:
    """A path as people write it: relative where it is near, else with ~ for the home."""
    text, home = os.path.relpath(file), os.path.expanduser("~")
    if text.startswith(os.pardir) and str(file).startswith(home + os.sep):
        return f"~{str(file)[len(home) :]}"
    return text


def _toml(text: str) -> dict[str, Any] | None:
    """The values of a piece of TOML; None where it is none, as in the middle of a text of several lines."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _assigned(name: str, text: str) -> str:
    return f"{name} = {json.dumps(text, ensure_ascii=False)}"


def _escaped(line: str) -> str:
    """The line as what `sed` writes in place of another."""
    return re.sub(r"[|&\\]", r"\\\g<0>", line)
