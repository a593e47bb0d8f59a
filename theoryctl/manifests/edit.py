"""Writing digests into a manifest's text, which stays what its author wrote in every other place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from theoryctl.platforms import same_platform
from theoryctl_providers.authored.yaml_document import YAMLProblems, parse

#: A piece of text that goes to the place of what stands between two offsets.
_Edit = tuple[int, int, str]


def with_pins(text: str, pins: Mapping[str, str]) -> str:
    """The manifest with `image.digests` of these platforms set. `text` is a valid manifest that has an `image`.

    Raises ValueError where it is written in a way, such as with aliases, that cannot be changed in one place alone.
    """
    image = _child(yaml.compose(text, yaml.SafeLoader), "image")
    digests = _child(image, "digests")
    if isinstance(digests, yaml.MappingNode) and digests.value:
        edits = list(_in_digests(text, digests, pins))
    elif digests is not None:
        edits = [(digests.start_mark.index, digests.end_mark.index, _flow(pins))]
    else:
        edits = [_new_digests(text, image, pins)]
    changed = text
    for start, end, piece in sorted(edits, reverse=True):
        changed = changed[:start] + piece + changed[end:]
    if _value(changed) != _expected(text, pins):
        raise ValueError("image.digests cannot be changed in one place alone")
    return changed


def _in_digests(text: str, digests: Any, pins: Mapping[str, str]) -> Iterator[_Edit]:
    new = dict(pins)
    for key, value in digests.value:
        for platform in [platform for platform in new if same_platform(platform, key.value)]:
            yield value.start_mark.index, value.end_mark.index, new.pop(platform)
    if not new:
        return
    first, last = digests.value[0][0], digests.value[-1][1]
    if digests.flow_style:
        yield last.end_mark.index, last.end_mark.index, f", {_flow(new)[1:-1]}"
    else:
        end = _line_end(text, last.end_mark.index)
        yield end, end, "".join(_line(text, first.start_mark.column, f"{name}: {new[name]}") for name in sorted(new))


def _new_digests(text: str, image: Any, pins: Mapping[str, str]) -> _Edit:
    """Behind the repository, which every image has."""
    own = [(key, value) for key, value in image.value if key.value == "repository"]
    if not own:  # it is merged in from elsewhere
        raise ValueError("image.digests cannot be changed in one place alone")
    key, value = own[0]
    if image.flow_style:
        return value.end_mark.index, value.end_mark.index, f", digests: {_flow(pins)}"
    column = key.start_mark.column
    lines = [_line(text, column, "digests:")]
    lines += [_line(text, column + 2, f"{name}: {pins[name]}") for name in sorted(pins)]
    end = _line_end(text, value.end_mark.index)
    return end, end, "".join(lines)


def _child(node: Any, name: str) -> Any:
    return next((value for key, value in node.value if key.value == name), None)


def _flow(pins: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {pins[name]}" for name in sorted(pins)) + "}"


def _line(text: str, column: int, content: str) -> str:
    """A line to stand behind another, whose own end follows."""
    end = "\r\n" if "\r\n" in text else "\n"
    return f"{end}{' ' * column}{content}"


def _line_end(text: str, index: int) -> int:
    """Find the end of the line that `index` stands in, before its line feed: a comment may follow what is there."""
    end = text.find("\n", index)
    end = len(text) if end < 0 else end
    return end - 1 if text[end - 1 : end] == "\r" else end


def _value(text: str) -> Any:
    try:
        return parse(text.encode()).value
    except YAMLProblems:
        return None


def _expected(text: str, pins: Mapping[str, str]) -> Any:
    value = _value(text)
    kept = {
        name: digest
        for name, digest in (value["image"].get("digests") or {}).items()
        if not any(same_platform(name, platform) for platform in pins)
    }
    renamed = {
        name: pins[platform]
        for name in (value["image"].get("digests") or {})
        for platform in pins
        if same_platform(name, platform)
    }
    added = {name: digest for name, digest in pins.items() if not any(same_platform(name, old) for old in renamed)}
    return {**value, "image": {**value["image"], "digests": {**kept, **renamed, **added}}}
