"""Tools that Anthropic's API knows by their type and that its clients run, as functions, which every provider takes.

Shapes: @ai-sdk/anthropic 4.0, src/tool/*.ts; anthropic 2.14, types/beta/beta_memory_tool_20250818_*_command.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: A family of tools, and the day of a version.
_TYPE = re.compile(r"(bash|text_editor|memory|computer)_\d{8}")

#: Facts about a tool that are for the model: a function has no other place for them than its description.
_FACTS = ("display_width_px", "display_height_px", "display_number", "enable_zoom", "max_characters")

_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
_POINT = {"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2}
_LINES = {"type": "array", "items": {"type": "integer", "minimum": -1}, "minItems": 2, "maxItems": 2}
_EDITED = {"file_text": _TEXT, "old_str": _TEXT, "new_str": _TEXT, "insert_line": _COUNT, "insert_text": _TEXT}
_ACTIONS = (
    *("screenshot", "cursor_position", "mouse_move", "left_click", "right_click", "middle_click", "double_click"),
    *(
        "triple_click",
        "left_click_drag",
        "left_mouse_down",
        "left_mouse_up",
        "scroll",
        "type",
        "key",
        "hold_key",
        "wait",
    ),
)


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required]}


def _commands(*names: str) -> dict[str, Any]:
    return {"type": "string", "enum": [*names]}


#: Description and schema of the arguments, by the family.
_FAMILIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "bash": (
        "Run a command in a shell that stays open, or start it anew.",
        _object(command=_TEXT, restart={"type": "boolean", "enum": [False, True]}),
    ),
    "text_editor": (
        "View and edit files.",
        _object(
            *("command", "path"),
            command=_commands("view", "create", "str_replace", "insert"),
            path=_TEXT,
            view_range=_LINES,
            **_EDITED,
        ),
    ),
    "memory": (
        "Read and write files below /memories, which are kept between conversations.",
        _object(
            "command",
            command=_commands("view", "create", "str_replace", "insert", "delete", "rename"),
            **{name: {"type": "string", "pattern": "^/memories"} for name in ("path", "old_path", "new_path")},
            view_range=_LINES,
            **_EDITED,
        ),
    ),
    "computer": (
        "Use the mouse and keyboard of a computer, and look at its screen.",
        _object(
            "action",
            action=_commands(*_ACTIONS),
            coordinate=_POINT,
            start_coordinate=_POINT,
            text=_TEXT,
            scroll_direction=_commands("up", "down", "left", "right"),
            scroll_amount=_COUNT,
            duration={"type": "number", "minimum": 0},
        ),
    ),
}


def client_tool(tool: Mapping[str, Any]) -> dict[str, Any] | None:
    """A tool of the API's own as one that says its arguments; None for one that is run by Anthropic, or is none."""
    kind = tool.get("type")
    found = _TYPE.fullmatch(kind) if isinstance(kind, str) else None
    if found is None:
        return None
    description, schema = _FAMILIES[found[1]]
    facts = ", ".join(f"{name}: {tool[name]}" for name in _FACTS if isinstance(tool.get(name), int))
    told = f"{description} ({facts})" if facts else description
    own = {name: value for name, value in tool.items() if name not in _FACTS}
    return {**own, "description": told, "input_schema": schema}
