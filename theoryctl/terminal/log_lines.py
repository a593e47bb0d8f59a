"""Format the log of an instance, line by line."""

from __future__ import annotations

import json

from theoryctl.terminal.text import json_text, printable_json


def json_line(line: str, *, plain: bool) -> str:
    """A log line as one JSON object: as it is when it is one, else as its `message`; `plain` as in `json_text`."""
    try:
        if isinstance(json.loads(line), dict):
            return line if plain else printable_json(line)
    except ValueError:
        pass
    return json_text({"message": line}, plain=plain)
