"""Hints as commands: the user's own command line, completed or corrected, ready to be pasted."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from theoryctl.cli.secret_words import covered, is_secret
from theoryctl.hints import (
    LEAVE_INSTANCE,
    NO_IMAGE,
    PROGRAM,
    PROTECTING,
    Hint,
    Step,
    again,
    as_typed,
    command,
    flag_words,
)
from theoryctl.results.run import RunResult
from theoryctl_providers.contract import Envelope, ErrorInfo, ProviderError, Remedy, info_of, inputs_of, slips_of

if TYPE_CHECKING:
    from theoryctl.refs import ProviderRef

#: A longer command is no help: what is to change in it drowns.
MOST_CHARACTERS = 1000

#: What every command has, by name; typed for one command, they say nothing of another.
_SHARED = ("json", "quiet", "no_color", "debug")


def spelled(hint: str | None, context: Any) -> str | None:
    """The hint of an error as text. `context` is Typer's context of the command that was typed.

    Where the command would be too long, would repeat something secret, or reads standard input, which is gone, the hint
    stays the sentence that it was.
    """
    if not isinstance(hint, Hint):
        return hint
    text = _text(hint.steps, context)
    if text is None and len(hint.steps) > 1 and not hint.steps[-1].path:
        text = _text(hint.steps[:-1], context)  # to type the same once more is left to the reader
    if text is None:
        return str(hint)
    return f"{hint.lead}, then: {text}" if hint.lead else text


def _text(steps: Sequence[Step], context: Any) -> str | None:
    commands = [_words(step, context) for step in steps]
    text = " && ".join(shlex.join(words) for words in commands if words)
    return text if all(commands) and fit(text) else None


def fit(text: str) -> bool:
    """Return whether a command can be shown: it is short enough and repeats nothing that is secret."""
    return len(text) <= MOST_CHARACTERS and not is_secret(text)


def with_hint(result: RunResult, context: Any) -> RunResult:
    """The result of a run, with what its error says of the remedy in terms of the command that was typed.

    After a success that had to load the provider, that is the command that keeps it loaded.
    """
    envelope = result.envelope
    error = envelope["error"]
    if error is None:
        return replace(result, faster=_keeps_loaded(envelope, context))
    hint = spelled(_how(error, context, envelope["runtime"]), context)
    told: ErrorInfo = {**error, "message": covered(error["message"]), "hint": hint and covered(hint)}
    return replace(result, envelope={**envelope, "error": told})


def as_model(error: ProviderError, context: Any) -> str | None:
    """The command with the ref as the model, where it is one, as `openai/gpt-4o`, or for a vendor alone the list of its
    models; None for any other.

    One that was not typed stands in a variable or in a file, and would count again: another is named.
    """
    ref = str(context.params.get("ref") or getattr(error, "text", ""))
    if error.code != "ERR_REF" or "@" in ref or "model" not in context.params or _is_typed("model", context):
        return None
    from theoryctl.actions.default_ref import BUNDLED
    from theoryctl.actions.vendors import prefixes

    if ref.partition("/")[0] not in prefixes():
        return None
    if "/" not in ref:
        return command("models", ref).alone()
    return again("name the model with --model", ref=None if _is_typed("ref", context) else BUNDLED, model=ref)


def of_inputs(error: ProviderError, context: Any) -> str | None:
    """The hint of an error, in terms of the command that was typed where it says what is to change in the inputs."""
    hint = error.hint
    is_of_inputs = hint and (hint == Remedy.SCHEMA or slips_of(hint) or inputs_of(hint))
    return _how(info_of(error), context, None) if is_of_inputs else hint


def of_stop(error: ErrorInfo, context: Any, runtime: str | None) -> str | None:
    """The hint of a batch that was stopped as text: what a run there would be told, and then the same batch again."""
    hint = error["hint"]
    if not isinstance(hint, Hint) or not hint.lead:
        return spelled(hint, context)
    first = _how({**error, "hint": hint.lead}, context, runtime)
    if not isinstance(first, Hint):
        return spelled(again("run it again").after(first or hint.lead), context)
    is_last = not all(step.path for step in first.steps) or _words(hint.steps[-1], context) is None
    return spelled(first if is_last else first.then(again("run it again")), context)


def _keeps_loaded(envelope: Envelope, context: Any) -> str | None:
    if envelope["runtime"] != "embedded" or not envelope["meta"].get("loading_ms"):
        return None
    start = command("local start", ref=envelope["ref"], runtime="process", mode=envelope["mode"])
    return spelled(start, context)


def _words(step: Step, context: Any) -> list[str] | None:
    """A step as words of a command line; None where it cannot be typed again as it was."""
    path = step.path.split() or context.command_path.split()[1:]
    target = command_at(path, context)
    typed = _typed(context) if step.inherits else {}
    if step.path:
        typed = {name: value for name, value in typed.items() if name not in _SHARED}
    if typed.get(PROTECTING) and NO_IMAGE.keys() <= step.params.keys():
        return None
    values = {**typed, **step.params}
    known = {parameter.name for parameter in target.params}
    if not known.issuperset(step.params) or (not step.path and _reads_what_is_gone(context, values)):
        return None
    return [PROGRAM, *path, *step.arguments, *_parameters(target, values, named_only=bool(step.arguments))]


def _reads_what_is_gone(context: Any, values: Mapping[str, Any]) -> bool:
    """Return whether a run takes something that cannot be read again: standard input, or a pipe of the shell's."""
    from theoryctl.cli.options import STANDARD_INPUT
    from theoryctl.requests.standard_input import NAMES

    given = context.meta.get(STANDARD_INPUT)
    paths = [each.partition("=")[2] for each in values.get("attach") or ()]
    named = [values.get(name) for name in ("inputs", "inputs_file", "prompt_file")] + paths
    piped = given is not None and (given.used or given.has_bytes()) and not values.get("no_stdin")
    prompts = (values.get("prompt"), " ".join(values.get("words") or ()))
    return piped or "-" in prompts or any(name in NAMES or _is_pipe(name) for name in named if name)


def _is_pipe(path: str) -> bool:
    return os.path.dirname(path) in ("/dev/fd", "/proc/self/fd")


def _parameters(target: Any, values: Mapping[str, Any], *, named_only: bool) -> Iterator[str]:
    given = [(parameter, values[parameter.name]) for parameter in target.params if parameter.name in values]
    for parameter, value in given:
        if parameter.param_type_name == "argument" and value is not None and not named_only:
            yield from map(as_typed, value if isinstance(value, (tuple, list)) else (value,))
    for parameter, value in given:
        if parameter.param_type_name == "option":
            yield from flag_words(parameter.name, value, parameter.opts[0])


def command_at(path: Sequence[str], context: Any) -> Any:
    """The command, or group, that words name."""
    found = context.find_root().command
    while path:
        found, words = found.named(context, path)
        path = path[words:]
    return found


def _typed(context: Any) -> dict[str, Any]:
    """Collect what stood on the command line, by parameter; flags that every command has wherever they stood."""
    typed = {}
    for parameter in context.command.params:
        if _is_typed(parameter.name, context):
            typed[parameter.name] = context.params.get(parameter.name, True)
    outer = context.parent
    while outer is not None:
        typed |= {name: True for name in _SHARED if _is_typed(name, outer)}
        outer = outer.parent
    return typed


def _is_typed(name: str, context: Any) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


# -- what the engine says is to change, as what to type ---------------------------------------------------------------


@dataclass(frozen=True)
class _Failed:
    """A run that failed: what was typed, where it ran, and what the engine says is to change."""

    context: Any
    runtime: str | None
    hint: str

    @property
    def ref(self) -> ProviderRef:
        from theoryctl.refs import ProviderRef

        return ProviderRef.parse(self.context.params["ref"])

    def more_time(self) -> str:
        """Twice the time there was. What runs on Modal has no more than it was deployed for."""
        from theoryctl.manifests.catalog import Catalog
        from theoryctl.units import parse_timeout

        limit = Catalog(self.context.params["manifests"]).find(self.ref).load().resources.timeout
        given = self.context.params["timeout"]
        seconds = 2 * (parse_timeout(given) if given else limit)
        if self.runtime == "modal" and seconds > limit:
            return command("modal start").after("raise resources.timeout in the manifest")
        return again("give it more time with --timeout", timeout=seconds)

    def in_mock(self) -> str:
        return again("use --mode mock, or another --ref", mode="mock", record=None, record_missing=None)

    def either_mode(self) -> str:
        return "use --mode mock or --mode real"

    def schema(self) -> str:
        """The schema of the inputs that are at fault; the whole one where they are not known."""
        named = inputs_of(self.hint)
        if not named and (prompt := self._prompt_alone()) is not None:
            return again("give the prompt with --prompt", inputs_json=None, prompt=prompt)
        return command("manifest show", str(self.ref), **({"input_": named} if named else {"schema": True}))

    def _prompt_alone(self) -> str | None:
        """The prompt in inputs that hold nothing else, where the provider takes messages."""
        from theoryctl.manifests.catalog import Catalog
        from theoryctl_providers.contract import loads

        if not (text := self.context.params.get("inputs_json")):
            return None
        inputs = loads(text)
        known = Catalog(self.context.params["manifests"]).find(self.ref).load().inputs.get("properties", {})
        is_alone = isinstance(inputs, dict) and list(inputs) == ["prompt"] and isinstance(inputs["prompt"], str)
        return inputs["prompt"] if is_alone and "messages" in known and "prompt" not in known else None

    def corrected(self) -> str:
        """The command without the slips, where they stand in `-o` and `--model`."""
        slips, model = slips_of(self.hint), self.context.params.get("model")
        options = [option.split("=", 1) for option in self.context.params.get("option") or ()]
        if not slips.keys() <= {model, *(text for option in options for text in option)}:
            return self.hint
        written = ["=".join(slips.get(text, text) for text in option) for option in options]
        return again(self.hint, option=written or None, model=slips.get(model, model))

    def traceback(self) -> str:
        if "debug" in _typed(self.context):
            return "report the traceback to whoever wrote the provider"
        return again("run it again with --debug", debug=True)

    def record(self) -> str:
        folder = self.context.params["replay"]  # an instance has its own
        if not folder:
            return self.hint
        typed = dict.fromkeys(("script", "replay", "tools", "mock_version"))
        return again("record it with --record-missing", mode="real", record_missing=folder, **typed)

    def once_more(self) -> str:
        """A run takes what an instance has recorded, whether it fails or not."""
        return again("run it again")

    def secret(self) -> str:
        """An instance, and an app on Modal, have secrets of their own."""
        if self.runtime == "modal":
            from theoryctl.modal.names import environment_name

            return command("modal sync-secrets", env=environment_name(self.context.params["env"]))
        if restart := self._restart():
            return restart.after(self.hint)
        if os.environ.get("THEORYCTL_URL"):  # its tokens are no keys, and count as not there
            return f"{LEAVE_INSTANCE}, then {self.hint}"
        file = self.context.params.get("env_file")
        if file and (renamed := self._renamed(file)):
            return renamed
        return f"{self.hint}, in the environment or in {file or 'the file that --env-file names'}"

    def _renamed(self, file: str) -> str | None:
        """Tell what to write where the env file has the name nearly right."""
        from theoryctl.secrets import misspelt

        pairs = ((name, misspelt(name, file)) for name in re.findall(r"[A-Z0-9_]{4,}", self.hint))
        return next((f"write {name} instead of {typed} in {file}" for name, typed in pairs if typed), None)

    def anew(self) -> str:
        return self._restart() or self.hint

    def serving_real(self) -> str:
        restart = self._restart(mode=None)
        return restart.then(again("run it again")) if restart else self.hint

    def _restart(self, **changes: Any) -> Hint | None:
        from contextlib import suppress

        from theoryctl.instances.restart import stop_and_start
        from theoryctl.runtimes.find import STARTED, find

        instance = None
        with suppress(ProviderError):
            if self.runtime in STARTED:
                instance = find(self.ref, self.runtime, self.context.params.get("name"))
        return stop_and_start(instance, **changes) if instance else None


_REMEDIES: dict[str, Callable[[_Failed], str]] = {
    Remedy.MORE_TIME: _Failed.more_time,
    Remedy.MOCK_MODE: _Failed.in_mock,
    Remedy.EITHER_MODE: _Failed.either_mode,
    Remedy.SERVES_REAL: _Failed.serving_real,
    Remedy.SCHEMA: _Failed.schema,
    Remedy.TRACEBACK: _Failed.traceback,
    Remedy.RECORD: _Failed.record,
    Remedy.RECORDINGS: _Failed.once_more,
}
_CODES: dict[str, Callable[[_Failed], str]] = {
    "ERR_MISSING_SECRET": _Failed.secret,
    "ERR_TOKEN": _Failed.anew,
    "ERR_NOT_RUNNING": _Failed.anew,
}


def _how(error: ErrorInfo, context: Any, runtime: str | None) -> str | None:
    hint = error["hint"]
    if hint is None or isinstance(hint, Hint):
        return hint
    make = _REMEDIES.get(hint) or _CODES.get(error["code"])
    if slips_of(hint):
        make = _Failed.corrected
    elif inputs_of(hint):
        make = _Failed.schema
    return make(_Failed(context, runtime, hint)) if make else hint
