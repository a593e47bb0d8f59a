"""Read the inputs of a run: from words, one of several flags, and standard input."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from theoryctl.errors import BadInputs, UsageError
from theoryctl.hints import Hint, again, command, path_hint
from theoryctl.requests.attachments import attaches_standard_input, is_text, name_for
from theoryctl.requests.standard_input import AWAITED, NAMES, StandardInput
from theoryctl_providers.contract import ProviderError, dumps, loads

#: Inputs are text to read; what is larger belongs into an attachment.
MAX_BYTES = 16 << 20

_CHUNK = 1 << 16


class InputFlags(NamedTuple):
    """The words and flags that say the inputs.

    At most one of `json`, `file`, `stdin`, `words`, `prompt` and `prompt_file` may be given. `options` are texts
    `KEY=VALUE`, `attachments` texts `NAME=PATH`. `joins` tells whether standard input, where it is a pipe or a file and
    nothing else is made of it, joins the prompt.
    """

    json: str | None = None
    file: str | None = None
    stdin: str | None = None
    words: tuple[str, ...] = ()
    prompt: str | None = None
    prompt_file: str | None = None
    model: str | None = None
    system: str | None = None
    options: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    joins: bool = True

    def read(self, standard_input: StandardInput) -> dict[str, Any] | None:
        """The inputs without `options`, and those of a document without `model`, or None when nothing says any.

        Raises UsageError for flags that exclude each other and for standard input that nothing reads, BadInputs for
        what cannot be read or is no JSON object.
        """
        self._check()
        source = next((name for name, value in self._documents() if value is not None), None)
        if source is not None:
            return self._from_document(source, standard_input)
        prompt = self._prompt(standard_input)
        if prompt is not None:
            return self._from_prompt(prompt)
        for flag, given in (("--model", self.model), ("--system", self.system), ("--option", self.options)):
            if given:
                raise _alone(flag)
        return None

    def _check(self) -> None:
        given = [name for name, value in (*self._documents(), *self._prompts()) if value is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other", hint="give the inputs in one way")
        if self.stdin not in (None, "-"):
            name, value = by_value(self.stdin)
            message = f"--inputs: expected '-', for standard input, got {self.stdin!r:.200}"
            raise UsageError(message, hint=again(f"use {_flag(name)}", inputs=None, **{name: value}))
        if len(self.words) == 1:
            self._refuse_a_file(self.words[0])
            self._refuse_json(self.words[0])
        if len(readers := list(self._readers())) > 1:
            raise UsageError(f"{' and '.join(readers)} both read standard input", hint="read it for one of them")
        if self.model is not None and any(option.startswith("model=") for option in self.options):
            raise UsageError("--model and -o model exclude each other", hint="give the model in one way")

    def _refuse_a_file(self, word: str) -> None:
        """Raise UsageError for a prompt that is the path of a file, which has an ending, or an `@` before it."""
        path = word.removeprefix("@")
        if os.path.isfile(path) and (path != word or os.path.splitext(path)[1]):
            raise UsageError(f"{path} is a file, and words are the prompt"[:200], hint=self._named(path))

    def _refuse_json(self, word: str) -> None:
        """Raise UsageError for a prompt that is whole inputs as JSON. With --prompt they stay one."""
        if not (word.lstrip().startswith("{") and '"messages"' in word):
            return
        inputs = None
        with suppress(ProviderError):
            inputs = loads(word)
        if isinstance(inputs, dict) and isinstance(inputs.get("messages"), list):
            hint = again("give inputs with --inputs-json", words=None, inputs_json=word)
            raise UsageError("expected a prompt in words, got inputs as JSON", hint=hint)

    def _named(self, path: str) -> Hint:
        """The command with a file by the flag that takes its kind."""
        if path.endswith(".json"):
            inputs = again("name the file with --inputs-file", words=None, inputs_file=path, system=None)
            return inputs.after(f"write system into {path}") if self.system is not None else inputs
        if _is_text(path):
            return again("name the file with --prompt-file", words=None, prompt_file=path)
        attached = (*self.attachments, f"{name_for(path)}={path}")
        return again("attach the file with --attach", words=("Describe this file",), attach=attached)

    def _from_document(self, source: str, standard_input: StandardInput) -> dict[str, Any]:
        if self.system is not None:
            raise _alone("--system")
        if self._joins and standard_input.has_bytes():
            raise UsageError(
                f"{source} and standard input are both given", hint="give the inputs in one way, or add --no-stdin"
            )
        return _object(*self._document(standard_input))

    def _readers(self) -> Iterator[str]:
        """The flags that read standard input because they say so."""
        if self.stdin == "-" or self.file in NAMES:
            yield "the inputs"
        if self._prompt_is_piped:
            yield "the prompt"
        yield from (f"--attach {each}" for each in self.attachments if attaches_standard_input(each))

    @property
    def _prompt_is_piped(self) -> bool:
        return self.prompt == "-" or self.words == ("-",) or self.prompt_file in NAMES

    @property
    def _joins(self) -> bool:
        return self.joins and not any(self._readers())

    def _documents(self) -> tuple[tuple[str, str | None], ...]:
        return ("--inputs-json", self.json), ("--inputs-file", self.file), ("--inputs", self.stdin)

    def _prompts(self) -> tuple[tuple[str, str | None], ...]:
        words = " ".join(self.words) if self.words else None
        return ("--prompt", self.prompt), ("--prompt-file", self.prompt_file), ("the words of the prompt", words)

    def _prompt(self, standard_input: StandardInput) -> str | None:
        """The prompt: what was typed or is in the file, below what comes on standard input."""
        if self._prompt_is_piped:
            return _text(_limited(standard_input.chunks(AWAITED), "standard input"), "standard input")
        typed = next((value for _, value in self._prompts() if value is not None), None)
        if self.prompt_file is not None:
            typed = _text(self._prompt_in(self.prompt_file), self.prompt_file)
        if not self._joins or not standard_input.is_given:
            return typed
        awaited = f"{AWAITED}; --no-stdin goes on without it"
        piped = _text(_limited(standard_input.chunks(awaited), "standard input"), "standard input")
        return _joined(piped, typed) if piped else typed

    def _from_prompt(self, prompt: str) -> dict[str, Any]:
        messages = [{"role": "system", "content": self.system}] if self.system is not None else []
        messages.append({"role": "user", "content": prompt})
        return {"messages": messages} | ({"model": self.model} if self.model is not None else {})

    def _document(self, standard_input: StandardInput) -> tuple[str | bytes, str]:
        if self.json is not None:
            _refuse_a_path(self.json)
            _refuse_other_quotes(self.json)
            return self.json, "--inputs-json"
        if self.stdin is not None or self.file in NAMES:
            return _limited(standard_input.chunks(AWAITED), "standard input"), "standard input"
        return self._inputs_in(str(self.file)), str(self.file)

    def _inputs_in(self, path: str) -> bytes:
        # Nothing is called alike: it is to be written, then.
        example = command("manifest show")
        return _file(
            "--inputs-file", path, lambda near: again(f"use {near}", inputs_file=near), example, _as_json(path)
        )

    def _prompt_in(self, path: str) -> bytes:
        return _file("--prompt-file", path, lambda near: again(f"use {near}", prompt_file=near))


def by_value(value: str) -> tuple[str, str]:
    """The parameter of a run that takes what was given as the inputs, by its looks, and its value there: JSON, the
    path of a file (after an `@`, as curl takes it), or a prompt."""
    path = value.removeprefix("@")
    if _as_json(value):
        return "inputs_json", value
    looks_like_one = len(value.split()) == 1 and ("/" in value or os.path.splitext(value)[1].strip("."))
    is_path = path != value or os.path.exists(path) or looks_like_one
    return ("inputs_file", path) if is_path else ("prompt", value)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _joined(piped: str, typed: str | None) -> str:
    """Both texts, the piped one first, a blank line between them."""
    return piped if typed is None else f"{piped}{'' if piped.endswith(chr(10)) else chr(10)}\n{typed}"


def _as_json(value: str) -> Hint | None:
    """The command with a value of another flag as JSON, where it looks like that."""
    is_json = value.lstrip().startswith(("{", "["))
    return again("use --inputs-json", inputs=None, inputs_file=None, inputs_json=value) if is_json else None


def _refuse_a_path(value: str) -> None:
    """Raise BadInputs for the path of a file, after an `@` as curl takes it, where JSON is expected."""
    path = value.removeprefix("@")
    if not _as_json(value) and (path.endswith(".json") or os.path.isfile(path)):
        hint = again("use --inputs-file", inputs_json=None, inputs_file=path)
        raise BadInputs(f"--inputs-json: expected JSON, got the path {value!r}"[:200], hint=hint)


def _refuse_other_quotes(value: str) -> None:
    """Raise BadInputs for JSON with Python's quotes, or with none, which a shell takes away."""
    if '"' in value:
        return
    try:
        loads(value, what="--inputs-json")
    except ProviderError as error:
        raise BadInputs(str(error.message), hint=_with_quotes(value)) from None


def _with_quotes(value: str) -> str:
    """The command with what Python reads as JSON; where it reads nothing, a sentence on quotes."""
    from ast import literal_eval

    try:
        read = literal_eval(value)
        if isinstance(read, dict):
            return again("write names and texts in double quotes", inputs_json=dumps(read))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, ProviderError):
        pass
    return "put all of the JSON in single quotes, and each name and text in double quotes"


def _is_text(path: str) -> bool:
    """Return whether a file begins as text; one that cannot be read counts as text, and reading it says why."""
    try:
        with open(path, "rb") as file:
            return is_text(file.read(_CHUNK))
    except OSError:
        return True


def _alone(flag: str) -> UsageError:
    """The error of a flag that has no prompt to go with."""
    told = "" if flag == "--option" else f", or write {flag[2:]} into the inputs"
    return UsageError(f"{flag} goes with --prompt, or with a prompt in words", hint=f"give a prompt{told}")


def _object(text: str | bytes, where: str) -> dict[str, Any]:
    value = loads(text, what=where)
    if not isinstance(value, dict):
        raise BadInputs(
            f"{where}: expected a JSON object, got a JSON {_kind(value)}", hint='write an object that holds "messages"'
        )
    return value


def _file(
    flag: str, path: str, use: Callable[[str], Hint], otherwise: str | None = None, instead: Hint | None = None
) -> bytes:
    """The bytes of a file. Of the hints for one that cannot be read, `instead` comes first, `otherwise` last."""
    try:
        with open(path, "rb") as file:  # a pipe may stand there
            return _limited(iter(lambda: file.read(_CHUNK), b""), path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = instead or path_hint(path, error, use, otherwise=otherwise)
        raise BadInputs(f"{flag} {path}: {reason}", hint=hint) from error


def _limited(chunks: Iterable[bytes], where: str) -> bytes:
    """All of the chunks, at most `MAX_BYTES`. What comes after them is not kept, and refused."""
    return b"".join(_counted(chunks, where))


def _counted(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    left = MAX_BYTES
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise BadInputs(f"{where}: more than {MAX_BYTES} bytes", hint="attach large files with --attach")
        yield chunk


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        message = f"{where}: expected UTF-8 text, got the byte 0x{data[error.start]:02x} at offset {error.start}"
        raise BadInputs(message, hint="attach it with --attach") from None


def _kind(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
