"""Tools that clients of OpenAI's API run, as functions, which every provider takes.

Shapes: openai 3.57, types/responses/*_tool_param.py and types/chat/chat_completion_custom_tool_param.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from re import sub
from typing import Any

from theoryctl_providers.contract import ProviderError, dumps, loads
from theoryctl_providers.wires.body import check_keys, list_in, object_in, stated, unsupported, word_in, wrong

#: The longest name that a function may have.
_LONGEST = 64


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


_TEXT, _NUMBER = {"type": "string"}, {"type": "integer", "minimum": 1}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1}
_CUSTOM = _object(("input",), input=_TEXT)

#: Tools that the API knows by their type alone: their description and the schema of their arguments.
_BUILT_IN: Mapping[str, tuple[str, dict[str, Any]]] = {
    "shell": (
        "Run shell commands.",
        _object(("commands",), commands=_TEXTS, timeout_ms=_NUMBER, max_output_length=_NUMBER),
    ),
    "local_shell": (
        "Run a command.",
        _object(("command",), command=_TEXTS, working_directory=_TEXT, timeout_ms=_NUMBER, user=_TEXT),
    ),
    "apply_patch": (
        "Create, update or delete a file by a diff.",
        _object(
            ("type", "path", "diff"),
            type={"enum": ["create_file", "update_file", "delete_file"]},
            path=_TEXT,
            diff=_TEXT,
        ),
    ),
}

#: Parameters of a tool about the way its calls are made and delivered, which change nothing here.
_DELIVERY = frozenset(("type", "allowed_callers", "async", "defer_loading", "output_schema"))

_SYNTAXES: Mapping[str | None, str] = {"lark": "lark", "regex": "regex"}
_FORMATS: Mapping[str | None, str] = {None: "text", "text": "text", "grammar": "grammar"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as the API has it."""

    kind: str
    name: str
    namespace: str | None = None


class Toolbox:
    """The tools of a request. `functions` are their functions; `origins` say where each of these came from.

    Raises ProviderError: `ERR_UNSUPPORTED_PARAM` for a tool that no function can stand for, `ERR_INPUTS`.
    """

    def __init__(self, tools: Any, *, nested: bool = False, deprecated: bool = False) -> None:
        self.functions: Any = tools
        self.origins: dict[str, str] = {}
        #: Tools by the names of their functions.
        self._known: dict[str, Tool] = {}
        # Whether a tool's own facts stand below its type, as those of chat completions do.
        self._nested = nested
        #: Whether the request names `functions`, OpenAI's deprecated form of tools, and its answer a `function_call`.
        self.deprecated = deprecated
        if isinstance(tools, list):
            self.functions = []
            for index, tool in enumerate(tools):
                self._take(tool, f"tools[{index}]")

    def tool(self, function: str) -> Tool:
        """The tool whose function has this name; a function of its own where none has."""
        return self._known.get(function) or Tool("function", function)

    def choice(self, choice: Any) -> Any:
        """A `tool_choice` in the vocabulary of functions; those that it does not allow are no longer there.

        Raises ProviderError `ERR_UNSUPPORTED_PARAM` for a tool that no function can stand for, `ERR_INPUTS`.
        """
        if not isinstance(choice, dict):
            return choice
        if choice.get("type") == "allowed_tools":
            return self._allow(choice)
        chosen = self._chosen(choice, "tool_choice")
        check_keys(choice, ("type", "function", "custom") if self._nested else ("type", "name"), "tool_choice")
        return chosen

    def _take(self, tool: Any, where: str, namespace: str | None = None) -> None:
        if not isinstance(tool, dict):
            raise wrong(where, "expected an object")
        kind = tool.get("type")
        if kind == "namespace" and namespace is None and not self._nested:
            check_keys(tool, ("type", "name", "description", "tools"), where)
            for index, inner in enumerate(_list(tool, "tools", where)):
                self._take(inner, f"{where}.tools[{index}]", _name(tool, where))
        elif kind == "function":
            self._function(tool, where, namespace)
        elif kind == "custom":
            self._custom(tool, where, namespace)
        elif isinstance(kind, str) and kind in _BUILT_IN and namespace is None and not self._nested:
            description, schema = _BUILT_IN[kind]
            described = description + _environment(tool, kind, where)
            self._add(Tool(kind, kind), {"name": kind, "description": described, "parameters": schema}, where)
        else:
            raise self._unknown(kind, where)

    def _function(self, tool: Mapping[str, Any], where: str, namespace: str | None) -> None:
        if self._nested:
            self.origins[f"tools[{len(self.functions)}]"] = where
            self.functions.append(tool)
            return
        function = {name: value for name, value in stated(tool).items() if name not in _DELIVERY}
        if namespace is not None:
            name = _name(tool, where)
            function["name"] = function_name(name, namespace)
            self._add(Tool("function", name, namespace), function, where)
            return
        self._put(function, where)

    def _custom(self, tool: Mapping[str, Any], where: str, namespace: str | None) -> None:
        told, beside = tool, _DELIVERY
        if self._nested:
            check_keys(tool, ("type", "custom"), where)
            where, told, beside = f"{where}.custom", object_in(tool, "custom"), frozenset()
        check_keys(told, (*beside, "name", "description", "format"), where)
        name = _name(told, where)
        function = {"name": function_name(name, namespace), "parameters": _CUSTOM}
        if described := _described(told, where):
            function["description"] = described
        self._add(Tool("custom", name, namespace), function, where)

    def _add(self, tool: Tool, function: dict[str, Any], where: str) -> None:
        name = str(function["name"])
        if name in self._known:
            raise wrong(where, f"another tool has the name {name!r}")
        self._known[name] = tool
        self._put(function, where)

    def _put(self, function: dict[str, Any], where: str) -> None:
        at = f"tools[{len(self.functions)}]"
        self.origins |= {at: where, f"{at}.function": where}
        self.functions.append({"type": "function", "function": function})

    def _chosen(self, choice: Mapping[str, Any], param: str) -> Any:
        kind = choice.get("type", "function")
        if not isinstance(kind, str):
            raise wrong(f"{param}.type", "expected a string")
        if kind == "function" and self._nested:
            return choice
        if kind in ("function", "custom"):
            told = object_in(choice, "custom") if self._nested else choice
            return {"type": "function", "function": {"name": self._function_of(kind, told.get("name"))}}
        if kind in _BUILT_IN and not self._nested:
            return {"type": "function", "function": {"name": kind}}
        raise self._unknown(kind, param)

    def _unknown(self, kind: Any, where: str) -> ProviderError:
        *most, last = ("function", "custom") if self._nested else ("function", "custom", "namespace", *_BUILT_IN)
        return unsupported(where, f"expected a tool of type {', '.join(most)} or {last}, got {kind!r:.200}")

    def _function_of(self, kind: str, name: Any) -> Any:
        """The name of a tool's function; a choice names no namespace."""
        found = (known for known, tool in self._known.items() if (tool.kind, tool.name) == (kind, name))
        return next(found, name)

    def _allow(self, choice: Mapping[str, Any]) -> Any:
        told = object_in(choice, "allowed_tools") if self._nested else choice
        where = "tool_choice.allowed_tools" if self._nested else "tool_choice"
        mode = told.get("mode")
        if mode not in ("auto", "required"):
            raise wrong(f"{where}.mode", f"expected auto or required, got {mode!r:.60}")
        allowed = [
            name
            for index, tool in enumerate(_list(told, "tools", where))
            for name in self._allowed(tool, f"{where}.tools[{index}]")
        ]
        kept = [at for at, name in enumerate(self._names()) if name in allowed]
        origins, functions = self.origins, self.functions
        self.functions = [functions[at] for at in kept]
        self.origins = {
            f"tools[{index}]{ending}": origins[f"tools[{at}]{ending}"]
            for index, at in enumerate(kept)
            for ending in ("", ".function")
            if f"tools[{at}]{ending}" in origins
        }
        return mode

    def _allowed(self, tool: Any, where: str) -> list[str]:
        """The names of the functions that an entry allows."""
        if not isinstance(tool, dict):
            raise wrong(where, "expected an object")
        if tool.get("type") == "namespace":
            names = [name for name, known in self._known.items() if known.namespace == tool.get("name")]
        else:
            names = [_name_of(self._chosen(tool, where))]
        if not names or names[0] not in self._names():
            raise wrong(where, "expected one of tools")
        return names

    def _names(self) -> list[Any]:
        """The names of the functions as they are given: only the engine checks them."""
        if self.functions is not None and not isinstance(self.functions, list):
            raise wrong("tools", "expected array")
        return [_name_of(each) for each in self.functions or ()]


def _name_of(tool: Mapping[str, Any]) -> Any:
    function = tool.get("function")
    return function.get("name") if isinstance(function, dict) else None


def function_name(name: str, namespace: str | None) -> str:
    """The name of a tool's function, of which no two namespaces have the same. At most 64 letters, digits, _ and -."""
    if namespace is None:
        return name
    # Codex ends the names of its namespaces with the two underscores itself.
    whole = f"{namespace.removesuffix('__')}__{name}"
    plain = sub(r"[^A-Za-z0-9_-]", "_", whole)
    if plain == whole and len(whole) <= _LONGEST:
        return whole
    return f"{plain[: _LONGEST - 9]}_{sha256(whole.encode()).hexdigest()[:8]}"


def custom_arguments(text: Any, where: str) -> str:
    """The arguments of a custom tool's function. Raises ProviderError `ERR_INPUTS` for an input that is no text."""
    if not isinstance(text, str):
        raise wrong(f"{where}.input", "expected a string")
    return dumps({"input": text})


def custom_input(arguments: str) -> str:
    """The input of a custom tool's call; of one that was cut, as much as came."""
    found = arguments_in(arguments).get("input")
    return found if isinstance(found, str) else arguments


def arguments_in(text: str) -> dict[str, Any]:
    """Arguments as an object; empty where they are none, as those of a call that was cut."""
    try:
        found = loads(text.encode(), what="arguments")
    except ProviderError:
        return {}
    return found if isinstance(found, dict) else {}


def _described(tool: Mapping[str, Any], where: str) -> str:
    """The description of a custom tool, with the grammar of its input, which a function has no other place for."""
    told = tool.get("description")
    if not isinstance(told, str | None):
        raise wrong(f"{where}.description", "expected a string")
    format_ = object_in(tool, "format")
    if word_in(format_.get("type"), _FORMATS, f"{where}.format.type") == "text":
        return told or ""
    grammar, place = format_, f"{where}.format"
    if "grammar" in format_:
        grammar, place = object_in(format_, "grammar"), f"{where}.format.grammar"
    syntax, definition = word_in(grammar.get("syntax"), _SYNTAXES, f"{place}.syntax"), grammar.get("definition")
    if not isinstance(definition, str):
        raise wrong(f"{place}.definition", "expected a string")
    rule = f"The input follows this {syntax} grammar:\n{definition}"
    return f"{told}\n\n{rule}" if told else rule


def _environment(tool: Mapping[str, Any], kind: str, where: str) -> str:
    """The end of a description that names the skills of a shell. Raises ProviderError for a container of OpenAI's."""
    check_keys(tool, (*_DELIVERY, *(("environment",) if kind == "shell" else ())), where)
    told, place = object_in(tool, "environment"), f"{where}.environment"
    if told.get("type") not in (None, "local"):
        raise unsupported(place, f"expected local, got {told['type']!r:.200}, which OpenAI runs itself")
    check_keys(told, ("type", "skills"), place)
    skills = list_in(told.get("skills"), f"{place}.skills")
    return f" Its skills: {dumps(skills)}" if skills else ""


def _name(tool: Mapping[str, Any], where: str) -> str:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise wrong(f"{where}.name", "expected a name")
    return name


def _list(told: Mapping[str, Any], key: str, where: str) -> list[Any]:
    found = told.get(key)
    if not isinstance(found, list):
        raise wrong(f"{where}.{key}", "expected array")
    return found
