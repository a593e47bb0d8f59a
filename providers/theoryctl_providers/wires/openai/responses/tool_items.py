"""Items of tools that clients run and that are no functions: custom tools, shells and patches.

Shapes: openai 3.57, types/responses/response_input_item_param.py (ShellCall, LocalShellCall, ApplyPatchCall and their
outputs) and response_custom_tool_call_param.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from theoryctl_providers.contract import dumps
from theoryctl_providers.contract.answer import add_piece
from theoryctl_providers.wires.body import object_in, stated, wrong
from theoryctl_providers.wires.openai.responses.output_items import Named, added, done, ended
from theoryctl_providers.wires.openai.tools import Tool, arguments_in, custom_arguments, custom_input, function_name

#: Items that are calls of such tools: the function, and the object that holds its arguments.
CALLS: Mapping[str, tuple[str, str]] = {
    "custom_tool_call": ("custom", "input"),
    "shell_call": ("shell", "action"),
    "local_shell_call": ("local_shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
}

#: Items that are results of such calls, but for those of custom tools, which are like a function's.
OUTPUTS: Mapping[str, str] = {
    "shell_call_output": ".output",
    "local_shell_call_output": ".output",
    "apply_patch_call_output": ".output",
}


def function_of_call(kind: str, item: Mapping[str, Any], where: str) -> tuple[str, str]:
    """The name and the arguments of the function that a call is of. Raises ProviderError `ERR_INPUTS`."""
    function, key = CALLS[kind]
    if function == "custom":
        name, namespace = item.get("name"), item.get("namespace")
        if not isinstance(name, str):
            raise wrong(f"{where}.name", "expected a string")
        return function_name(name, namespace if isinstance(namespace, str) else None), custom_arguments(
            item.get("input"), where
        )
    if not isinstance(item.get(key), dict):
        raise wrong(f"{where}.{key}", "expected an object")
    arguments = object_in(item, key)
    if function == "local_shell":
        # An item has to have both; no call had them.
        arguments = {name: value for name, value in arguments.items() if name != "type" and (name != "env" or value)}
    return function, dumps(arguments)


def output_of(kind: str, item: Mapping[str, Any]) -> Any:
    """The result of a call as text, which all providers take."""
    output = item.get("output")
    if kind == "apply_patch_call_output":
        return f"{item.get('status')}: {output}" if output else str(item.get("status"))
    return dumps(output) if isinstance(output, list) else output


def _shell(arguments: Mapping[str, Any]) -> dict[str, Any]:
    limits = {"timeout_ms": None, "max_output_length": None}
    return {"action": {"commands": [], **limits, **arguments}}


def _local_shell(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"action": {"type": "exec", "command": [], "env": {}, **stated(arguments)}}


def _apply_patch(arguments: Mapping[str, Any]) -> dict[str, Any]:
    operation = {"type": "update_file", "path": "", "diff": "", **arguments}
    if operation["type"] == "delete_file":
        del operation["diff"]
    return {"operation": operation}


#: The beginning of an item's id, and the facts of a call that its arguments are.
_KINDS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "shell": ("sh", _shell),
    "local_shell": ("lsh", _local_shell),
    "apply_patch": ("apc", _apply_patch),
}


@dataclass(slots=True)
class ToolItem:
    """A call of a tool that is no function; `index` is its number among the calls.

    Its arguments are known once all pieces of the function's are there.
    """

    key: str
    place: int
    index: int
    tool: Tool
    call_id: str
    pieces: list[str] = field(default_factory=list)

    def document(self, status: str) -> str:
        return self._written(ended(status), "".join(self.pieces))

    def opening(self) -> Iterator[Named]:
        yield added(self.place, self._written("in_progress", ""))

    def add(self, text: str) -> Iterator[Named]:
        """Take in a piece of its arguments."""
        add_piece(self.pieces, text)
        yield from ()

    def closing(self) -> Iterator[Named]:
        if self.tool.kind == "custom":
            said = dumps(custom_input("".join(self.pieces)))
            where = f'"item_id":"{self._id}","output_index":{self.place}'
            yield "response.custom_tool_call_input.delta", f'{where},"delta":{said}'
            yield "response.custom_tool_call_input.done", f'{where},"input":{said}'
        yield done(self.place, self.document("completed"))

    @property
    def _id(self) -> str:
        prefix = "ctc" if self.tool.kind == "custom" else _KINDS[self.tool.kind][0]
        return f"{prefix}_{self.key}{self.place}"

    def _written(self, status: str, arguments: str) -> str:
        head = {"id": self._id, "call_id": self.call_id, "status": status}
        if self.tool.kind == "custom":
            facts = stated({"name": self.tool.name, "namespace": self.tool.namespace})
            return dumps({**head, "type": "custom_tool_call", **facts, "input": custom_input(arguments)})
        # A call has no third status where it is one of a patch.
        if self.tool.kind == "apply_patch" and status == "incomplete":
            head["status"] = "in_progress"
        return dumps({**head, "type": f"{self.tool.kind}_call", **_KINDS[self.tool.kind][1](arguments_in(arguments))})
