"""Find the option or the input that was meant by an option that is unknown or misused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from theoryctl.cli.arguments import read
from theoryctl.hints import nearest

#: Flags that people expect, each with the words that we have for it, where the command has the first of these.
_SWITCHES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("--real", ("--mode", "real")),
    ("--mock", ("--mode", "mock")),
    ("-v", ("--version",)),
    ("-v", ("--debug",)),
    ("--verbose", ("--debug",)),
    ("-q", ("--quiet",)),
    ("-j", ("--json",)),
    ("--dry-run", ("--estimate",)),
    ("-a", ("--all",)),
    ("--as-json", ("--json",)),
    ("--json-output", ("--json",)),
)

#: The same, for commands that take a prompt.
_OF_RUN: Sequence[tuple[str, tuple[str, ...]]] = (("--dry-run", ("--mode", "mock")),)

#: Two flags of docker's in one, of which Typer's parser names the first.
_INTERACTIVE = "-it"

#: Flags that people expect, with the reason why none is needed, where the command has the option between.
_NEEDLESS: Sequence[tuple[str, str, str]] = (
    ("--yes", "--json", "no command asks"),
    ("-y", "--json", "no command asks"),
    ("--detach", "--wait-timeout", "what is started goes on in the background"),
    ("-d", "--wait-timeout", "what is started goes on in the background"),
    ("--background", "--wait-timeout", "what is started goes on in the background"),
    ("--daemon", "--wait-timeout", "what is started goes on in the background"),
    ("--force", "--json", "no command asks"),
    ("--rm", "--prompt", "a run leaves nothing behind"),
    (_INTERACTIVE, "--prompt", "a run ends with its answer"),
)

#: Options that list all elsewhere.
_ALL = ("-a", "--all", "-A")

#: Options that people expect, with ours that take the same value: the first one that the command has.
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "--output": ("--out", "--save-first"),
    "--out": ("--save-first",),
    "--image": ("--oci",),
    "--limit": ("--tail",),
    "--last": ("--tail", "--limit"),
    "--system-prompt": ("--system",),
    "-O": ("--out", "--save-first"),
    "--lines": ("--tail",),
    "-n": ("--tail", "--limit"),
    "-p": ("--port", "--prompt"),
    "--parallel": ("--concurrency",),
    "--workers": ("--concurrency",),
    "--jobs": ("--concurrency",),
    "-j": ("--concurrency",),
}
#: Options that choose the form of the output elsewhere; of JSON it is `--json` here.
_FORMS = ("--output", "--out", "--format", "--output-format", "-o")
#: Options that name the file to read elsewhere.
_FILES = ("--file", "-f", "--input", "--in", "-i")
_VENDOR = ("--provider", "--vendor")
_KEY = re.compile(r"--([a-z]+-)?(api-?)?key|--(api-?|auth-?)?token")

#: The parameters that take files as words.
_OF_FILES = ("files", "file", "source", "scripts", "lines")

#: A higher one than difflib's 0.6, by which `--real` is near to `--ref`, and `--file` to `--env-file`.
_NEAR = 0.75

#: Letters that an input may be shortened to.
_ABBREVIATED = 4

#: Words that are a value and not the next option: a lone `-` is standard input, and numbers may be negative.
_VALUE = re.compile(r"[^-]|-$|-[.\d]")

#: The words in the name of a command that takes a prompt: `local run`, `modal run`.
_WORDS_OF_RUN = 2

_OFF = ("false", "no", "off", "0")


class Slip(NamedTuple):
    """A slip in the options: the message, the arguments without it, the file that they get as standard input, and a
    sentence for where those cannot be shown."""

    message: str
    corrected: list[str] | None = None
    hint: str | None = None
    standard_input: str | None = None


def slip_of(arguments: Sequence[str], option: str, context: Any) -> Slip:
    """Say which slip is in an option that Typer refused; `context` is that of the command that it was given to."""
    params = {name: param for param in context.command.get_params(context) for name in param.opts}
    if param := params.get(option):
        return _misused(arguments, option, param)
    if f"-{option}" in params:
        at = next(at for at, word in enumerate(arguments) if word.partition("=")[0] == option)
        return Slip(f"expected -{option}, got {option}", [*arguments[:at], f"-{arguments[at]}", *arguments[at + 1 :]])
    if option == _INTERACTIVE[:2] and _INTERACTIVE in arguments:
        option = _INTERACTIVE
    unknown = f"{context.command_path} has no option {option}"
    if (typed := _Typed.find(arguments, option, unknown)) is None:
        return Slip(unknown)
    return (
        _expected(typed, params)
        or _as_input(typed, params, guesses=False)
        or _misspelt(typed, params)
        or _as_input(typed, params, guesses=True)
        or Slip(unknown)
    )


class _Typed(NamedTuple):
    """An unknown option as it stands among the arguments, at `at`; its value is None where it has none."""

    arguments: Sequence[str]
    option: str
    #: The sentence that the command does not have it.
    unknown: str
    at: int
    value: str | None
    is_joined: bool

    @classmethod
    def find(cls, arguments: Sequence[str], option: str, unknown: str) -> _Typed | None:
        at = next((at for at, word in enumerate(arguments) if word.partition("=")[0] == option), None)
        if at is None:
            return None
        _, equals, value = arguments[at].partition("=")
        following = arguments[at + 1] if at + 1 < len(arguments) else ""
        if not equals and not _VALUE.match(following):
            return cls(arguments, option, unknown, at, None, False)
        return cls(arguments, option, unknown, at, value if equals else following, bool(equals))

    def replaced(self, *words: str, with_value: bool = False) -> list[str]:
        """The arguments with other words in place of the option, and with it of its value if that goes as well."""
        end = self.at + (2 if with_value and self.value is not None and not self.is_joined else 1)
        return [*self.arguments[: self.at], *words, *self.arguments[end:]]

    def called(self, name: str) -> list[str]:
        """The arguments with another name of the option, which keeps its value."""
        return self.replaced(f"{name}={self.value}" if self.is_joined else name)


def _misused(arguments: Sequence[str], option: str, param: Any) -> Slip:
    """The slip of an option that the command has: its value is missing, or is one that a flag cannot have."""
    if not getattr(param, "is_flag", False):
        return Slip(f"{option} wants a value")
    at = next(at for at, word in enumerate(arguments) if word.startswith(f"{option}="))
    is_off = arguments[at].partition("=")[2].lower() in _OFF
    return Slip(f"{option} takes no value", [*arguments[:at], *([] if is_off else [option]), *arguments[at + 1 :]])


def _expected(typed: _Typed, params: Mapping[str, Any]) -> Slip | None:
    """The slip of an option that other programs have."""
    switches = (*_SWITCHES, *(_OF_RUN if "--prompt" in params else ()))
    ours = next((each for each in _OTHER_NAMES.get(typed.option, ()) if each in params), None)
    is_number = typed.value is not None and typed.value.isdigit()  # which no switch takes
    words = next((words for name, words in switches if name == typed.option and words[0] in params), None)
    if words and not (ours and is_number):
        return Slip(typed.unknown, typed.replaced(*words))
    if needless := _needless(typed, params):
        return Slip(f"{typed.unknown}; {needless}", typed.replaced())
    if typed.option in _FORMS and typed.value == "json" and "--json" in params:
        return Slip(typed.unknown, typed.replaced("--json", with_value=True))
    if typed.option == "--runtime" and typed.value and "--runtimes" in params:
        return _runtimes(typed)
    if typed.value and ours:
        return Slip(typed.unknown, _renamed(typed, ours, typed.value), f"write {ours}")
    if found := _file(typed, params) or _key(typed, params):
        return found
    if typed.option in _VENDOR and "--model" in params:
        return _vendor(typed)
    if typed.option in (*_VENDOR, "--model") and typed.value and read(typed.arguments).command[:1] == ("models",):
        return Slip(typed.unknown, typed.replaced(typed.value, with_value=True))
    return None


def _renamed(typed: _Typed, ours: str, value: str) -> list[str]:
    """The arguments with our name of the option; of docker's HOST:CONTAINER the port of the host alone."""
    host, colon, _ = value.partition(":")
    return typed.replaced(ours, host, with_value=True) if colon and ours == "--port" else typed.called(ours)


def _needless(typed: _Typed, params: Mapping[str, Any]) -> str | None:
    """The reason why the option can be left out: what it asks for is so without it, or without its opposite."""
    bare = typed.option.removeprefix("--")
    opposite = f"--{bare.removeprefix('no-')}" if bare.startswith("no-") else f"--no-{bare}"
    if getattr(params.get(opposite), "is_flag", False):
        return f"leave {opposite} out"
    if typed.option in _ALL and read(typed.arguments).command[-1:] in (("status",), ("list",)):
        return "--limit shows more" if "--limit" in params else "all are listed"
    return next((why for name, known, why in _NEEDLESS if name == typed.option and known in params), None)


def _runtimes(typed: _Typed) -> Slip:
    """The runtime is one of those that are compared."""
    from theoryctl.actions.sameness import comparable

    value = comparable((typed.value or "").split(","))
    return Slip(typed.unknown, typed.replaced("--runtimes", value, with_value=True), f"write --runtimes {value}")


def _takes_files(params: Mapping[str, Any]) -> bool:
    """Return whether a command takes files as words; `params` has its words beside its options."""
    return any(param.param_type_name == "argument" and param.name in _OF_FILES for param in params.values())


def _key(typed: _Typed, params: Mapping[str, Any]) -> Slip | None:
    """The slip of a key, or of a variable with its value, on the command line. No value is repeated."""
    name, equals, _ = (typed.value or "").partition("=")
    is_variable = typed.option in ("-e", "--env") and bool(equals)
    if not (is_variable or _KEY.fullmatch(typed.option)) or params.keys().isdisjoint(("--model", "--env-file")):
        return None
    hint = f"set {name:.100}" if is_variable else _key_hint(typed)
    return Slip("keys come from the environment or from --env-file, never from flags", hint=hint)


def _file(typed: _Typed, params: Mapping[str, Any]) -> Slip | None:
    """The slip of a file that is named by an option: it is a word, the prompt, or inputs in JSON; where there is a
    prompt in words, the file joins that as standard input."""
    if typed.option not in _FILES or not typed.value:
        return None
    if _takes_files(params):
        return Slip(typed.unknown, typed.replaced(typed.value, with_value=True))
    if typed.option not in _FILES[:2] or "--prompt-file" not in params:
        return None
    if str(typed.value).endswith(".json"):
        return Slip(typed.unknown, typed.called("--inputs-file"), "write --inputs-file")
    rest = typed.replaced(with_value=True)
    given = read(rest)
    if len(given.command) > _WORDS_OF_RUN or "--prompt" in given.options:
        return Slip(typed.unknown, rest, "give the file as standard input", typed.value)
    return Slip(typed.unknown, typed.called("--prompt-file"), "write --prompt-file")


def _key_hint(typed: _Typed) -> str:
    """Name the variable of the vendor whose model is asked. The key itself is never repeated."""
    from theoryctl.actions.vendors import vendors

    prefix = (read(typed.arguments).options.get("--model") or "").partition("/")[0]
    needs = next((vendor.needs for vendor in vendors() if prefix in vendor.prefixes), ())
    variables = [" and ".join(sets[0]) for sets in needs]
    return f"set {' and '.join(variables)}" if variables else "set the vendor's variable, which theoryctl models lists"


def _vendor(typed: _Typed) -> Slip:
    """The vendor goes before the model that was typed; where none was, its models are listed."""
    vendor = typed.value or ""
    message = f"{typed.unknown}; the vendor begins the model: -m {vendor or 'openai'}/…"
    rest = typed.replaced(with_value=True)
    if vendor == "litellm":  # a provider of ours, as Python calls it, and no vendor
        from theoryctl.actions.default_ref import BUNDLED

        return Slip(f"{typed.unknown}; --ref names the provider", typed.replaced("--ref", BUNDLED, with_value=True))
    model = read(typed.arguments).options.get("--model")
    at = next((at for at, word in enumerate(rest) if model and word in (model, f"--model={model}")), None)
    if not vendor or at is None or not model or "/" in model:
        return Slip(message, ["models", *filter(None, [vendor])])
    return Slip(message, [*rest[:at], f"{rest[at].removesuffix(model)}{vendor}/{model}", *rest[at + 1 :]])


def _misspelt(typed: _Typed, params: Mapping[str, Any]) -> Slip | None:
    """The slip of an option that is near to one of the command's; without the value that this wants, there is no
    command to offer."""
    names = [name for name, param in params.items() if name.startswith("--") and not getattr(param, "hidden", False)]
    # Without the dashes, which all of them have in common.
    near = nearest(typed.option.lstrip("-"), (name.lstrip("-") for name in names), _NEAR)
    if near is None:
        return None
    right = f"--{near}"
    if getattr(params[right], "is_flag", False):
        return Slip(typed.unknown, typed.replaced(right), f"write {right}")
    if typed.value is None:
        return Slip(f"{typed.unknown}; {right} is one, and wants a value")
    if right == "--inputs" and typed.value != "-":
        return _inputs_by_value(typed, typed.value)
    return Slip(typed.unknown, typed.called(right), f"write {right}")


def _inputs_by_value(typed: _Typed, value: str) -> Slip:
    """The inputs by the option that takes what they look like."""
    from theoryctl.hints import flag_words
    from theoryctl.requests.input_flags import by_value

    words = flag_words(*by_value(value))
    return Slip(typed.unknown, typed.replaced(*words, with_value=True), f"write {words[0]}")


def _as_input(typed: _Typed, params: Mapping[str, Any], *, guesses: bool) -> Slip | None:
    """The slip of an input that was typed as an option: it goes to the end, as `-o KEY=VALUE`.

    None where it names no input of the ref, nor `guesses` and is near to one, has no value, or the command takes none.
    """
    if not typed.value or "-o" not in params:
        return None
    wanted = typed.option.lstrip("-").replace("-", "_")
    key = next(_meant(wanted, _inputs(typed.arguments), guesses), None)
    if key is None:
        return None
    if key == "messages":
        return Slip(typed.unknown, hint="give messages with --inputs-json or --inputs-file")
    corrected = [*typed.replaced(with_value=True), "-o", f"{key}={typed.value}"]
    return Slip(f"{key} is an input, and inputs are given with -o", corrected, f"give {key} with -o")


def _meant(key: str, known: Mapping[str, Any], guesses: bool) -> Iterator[str]:
    """The input that is called so, else the only one that begins so, else one whose name is near."""
    if key in known:
        yield key
    elif guesses:
        begun = [name for name in known if name.startswith(key)]
        if len(begun) == 1 and len(key) >= _ABBREVIATED:
            yield from begun
        yield from get_close_matches(key, known, n=1, cutoff=_NEAR)


def _inputs(arguments: Sequence[str]) -> Mapping[str, Any]:
    """The inputs that the schema of the ref knows; none where the ref is not found."""
    from theoryctl.actions.default_ref import default_ref
    from theoryctl.manifests.catalog import Catalog
    from theoryctl.refs import ProviderRef
    from theoryctl_providers.contract import ProviderError

    options = read(arguments).options
    try:
        catalog = Catalog(options.get("--manifests"))
        chosen = default_ref(catalog=catalog)
        ref = ProviderRef.parse(options.get("--ref") or (chosen.ref if chosen else ""))
        known: Mapping[str, Any] = catalog.find(ref).load().inputs.get("properties", {})
    except ProviderError:
        return {}
    return known
