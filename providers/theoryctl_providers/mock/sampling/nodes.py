"""Nodes: conjunctions of schemas with `$ref` and `allOf` already unfolded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theoryctl_providers.mock.sampling.schema import KEYWORDS, Budget, CannotSample, Node, Part, check

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_HEIGHT = 120  # levels, with room to spare under Python's default recursion limit of 1,000


class Nodes:
    """The parts of one schema, each made once, so that equal nodes are the same node."""

    def __init__(self, schema: Any, budget: Budget) -> None:
        check(schema)
        self.schema, self.budget = schema, budget
        self.parts: dict[int, Part] = {}
        self.dropped: dict[tuple[Part, tuple[str, ...]], Part] = {}
        self.targets: set[Part] = set()
        self.why: dict[Node, CannotSample] = {}
        self.root = self.node([self.part(schema)])

    def part(self, schema: Any, where: tuple[Any, ...] = ()) -> Part:
        part = Part(schema, where)
        return self.parts.setdefault(id(schema), part) if isinstance(schema, dict) else part

    def children(self, part: Part, key: str) -> list[Part]:
        return [self.part(schema, (*part.where, key, at)) for at, schema in enumerate(part.words.get(key, ()))]

    def drop(self, part: Part, *keys: str) -> Part:
        if (part, keys) not in self.dropped:
            words = {key: value for key, value in part.words.items() if key not in keys}
            self.dropped[part, keys] = Part(words, part.where)
        return self.dropped[part, keys]

    def node(self, parts: Iterable[Part]) -> Node:
        """Unfold `$ref` and `allOf`; where that fails the node has no instance, so that its siblings still count."""
        seen: dict[Part, Part] = {}
        try:
            for part in parts:
                self._unfold(part, seen, (), via_ref=False)
        except CannotSample as error:
            dead = (Part(False),)
            self.why[dead] = error
            return dead
        return tuple(dict.fromkeys(part for part in seen.values() if not KEYWORDS.isdisjoint(part.words)))

    def _unfold(self, part: Part, seen: dict[Part, Part], trail: Node, *, via_ref: bool) -> None:
        self.budget.spend(1)
        if part.dead:
            raise part.fault(None, "this schema allows no value")
        if part in trail or len(trail) > MAX_HEIGHT:
            raise trail[-1].fault("$ref", "this leads back to itself, or through too many references")
        if part in seen:
            return
        if "$ref" in part.words:
            self._unfold(self._target(part), seen, (*trail, part), via_ref=True)
        for member in self.children(part, "allOf"):
            self._unfold(member, seen, (*trail, part), via_ref=via_ref)
        seen[part] = self.drop(part, "$ref", "allOf") if part.words.keys() & {"$ref", "allOf"} else part
        if via_ref:
            self.targets.add(seen[part])

    def _target(self, part: Part) -> Part:
        """Follow a JSON pointer (RFC 6901) in a URI fragment; anything else would need another document."""
        from urllib.parse import unquote

        reference = part.words["$ref"]
        if reference != "#" and not reference.startswith("#/"):
            raise part.fault("$ref", f"only references inside the schema are followed, not {reference!r}")
        found, where = self.schema, tuple[Any, ...]()
        for token in unquote(reference).split("/")[1:]:
            token = token.replace("~1", "/").replace("~0", "~")
            try:
                found, where = found[int(token) if isinstance(found, list) else token], (*where, token)
            except (KeyError, IndexError, ValueError, TypeError):
                raise part.fault("$ref", f"{reference!r} points at nothing") from None
        if id(found) not in self.parts:
            # It may stand where no schema is expected.
            check(found, where)
        return self.part(found, where)
