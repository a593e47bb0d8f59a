"""Read the inputs of a run: from one of several flags, standard input, or the manifest's example."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

from theoryctl.errors import BadInputs, UsageError
from theoryctl.hints import again
from theoryctl_providers.contract import loads

#: Inputs are text to read; what is larger belongs into an attachment.
MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFlags:
    """The flags that say the inputs; at most one of `json`, `file`, `stdin` and `prompt` may be given."""

    json: str | None = None
    file: str | None = None
    stdin: str | None = None
    prompt: str | None = None
    model: str | None = None
    system: str | None = None

    def read(self) -> dict[str, Any] | None:
        """The inputs, or None when no flag says any.

        Raises UsageError for flags that exclude each other, BadInputs for what cannot be read or is no JSON object.
        """
        self._check()
        if self.prompt is not None:
            return self._from_prompt(self.prompt)
        text, where = self._text()
        if text is None:
            return None
        value = loads(text, what=where)
        if not isinstance(value, dict):
            raise BadInputs(
                f"{where}: found a JSON {_kind(value)}, expected an object",
                hint='write an object that holds "messages"',
            )
        return value

    def _check(self) -> None:
        given = [flag for flag, value in self._sources() if value is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other", hint="give the inputs in one way")
        for flag, value in (("--model", self.model), ("--system", self.system)):
            if value is not None and self.prompt is None:
                raise UsageError(
                    f"{flag} goes with --prompt",
                    hint=f"give the prompt with --prompt, or write {flag[2:]} into the inputs",
                )
        if self.stdin not in (None, "-"):
            raise UsageError(
                f"--inputs takes only '-', for standard input, not {self.stdin!r}",
                hint=again("use --inputs-file", inputs=None, inputs_file=self.stdin),
            )

    def _sources(self) -> tuple[tuple[str, str | None], ...]:
        return (
            ("--inputs-json", self.json),
            ("--inputs-file", self.file),
            ("--inputs", self.stdin),
            ("--prompt", self.prompt),
        )

    def _from_prompt(self, prompt: str) -> dict[str, Any]:
        messages = [{"role": "system", "content": self.system}] if self.system is not None else []
        messages.append({"role": "user", "content": prompt})
        return {"messages": messages} | ({"model": self.model} if self.model is not None else {})

    def _text(self) -> tuple[str | bytes | None, str]:
        if self.json is not None:
            return self.json, "--inputs-json"
        if self.stdin is not None:
            if sys.stdin is None:
                raise BadInputs("--inputs -: standard input is closed", hint="pipe the inputs in, or use --inputs-file")
            return _limited(sys.stdin.buffer, "standard input"), "standard input"
        if self.file is None:
            return None, ""
        try:
            with open(self.file, "rb") as file:
                return _limited(file, self.file), self.file
        except OSError as error:
            raise BadInputs(f"--inputs-file {self.file}: {error.strerror}", hint="check the path") from error


def _limited(file: BinaryIO, where: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BadInputs(f"{where}: more than {MAX_BYTES} bytes", hint="attach large files with --attach")
    return data


def _kind(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
