"""A schema as a grammar: the rules that say what each node may turn into or needs, and their heights.

A node's height is that of its shortest finite derivation, and none means that no finite instance exists.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl_providers.mock.sampling.nodes import MAX_HEIGHT, Nodes
from theoryctl_providers.mock.sampling.scalars import Scalars
from theoryctl_providers.mock.sampling.schema import (
    Budget,
    CannotSample,
    Node,
    Part,
    fault,
    kinds,
    member_lists,
    sizes,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Rule(NamedTuple):
    """`any` turns into one of `needs`; `object`, `array` and `leaf` take all of them. `array` may use `slots`,
    and `object` has `fields`, of which it may leave out those that are `optional`."""

    kind: str
    needs: Sequence[Node] = ()
    slots: Sequence[Node] = ()
    size: tuple[int, float] = (0, math.inf)
    fields: Mapping[str, Node] | None = None
    optional: frozenset[str] = frozenset()


class Grammar:
    """The nodes reachable from a schema, their rules and heights."""

    def __init__(self, schema: Any, budget: Budget, *, full: bool) -> None:
        self.full = full
        self.budget, self.nodes, self.scalars = budget, Nodes(schema, budget), Scalars(budget)
        self.typed: dict[str, Part] = {}
        self.rules: dict[Node, Rule] = {}
        self.heights: dict[Node, int] = {}
        self.why = self.nodes.why
        self.root = self.nodes.root
        self._survey()
        self._measure()

    def blame(self, node: Node) -> CannotSample:
        """Say why `node` has no finite instance, by following the first need that has none either."""
        start, seen = node, set[Node]()
        while node not in self.why and node not in seen:
            seen.add(node)
            node = next((need for need in self.rules[node].needs if need not in self.heights), node)
        return self.why.get(node) or fault(start, "", f"no instance ends within {MAX_HEIGHT} levels")

    def _survey(self) -> None:
        queue = [self.root]
        for node in queue:
            if node not in self.rules:
                rule = self.rules[node] = self._rule(node)
                self.budget.spend(1 + len(rule.needs))
                queue += [*rule.needs, *rule.slots, *(rule.fields or {}).values()]

    def _measure(self) -> None:
        """Find heights breadth first, so that each node is settled once, at its least height."""
        users: dict[Node, list[Node]] = {}
        missing: dict[Node, int] = {}
        for node, rule in self.rules.items():
            missing[node] = 1 if rule.kind == "any" else len(rule.needs)
            for need in rule.needs:
                users.setdefault(need, []).append(node)
        queue = [node for node, count in missing.items() if count == 0]
        self.heights = dict.fromkeys(queue, 1)
        for node in queue:
            for user in users.get(node, ()):
                missing[user] -= 1
                if missing[user] == 0 and self.heights[node] < MAX_HEIGHT:
                    self.heights[user] = self.heights[node] + 1
                    queue.append(user)

    def _rule(self, node: Node) -> Rule:
        try:
            return Rule("any") if node in self.why else self._choice(node) or self._shape(node)
        except CannotSample as error:
            self.why[node] = error
            return Rule("any")

    def _choice(self, node: Node) -> Rule | None:
        for part in node if self.full else ():
            if "if" in part.words:
                rest = self._beside(node, part, "if", "then", "else")
                met = [*rest, *self._below(part, "if"), *self._below(part, "then")]
                return Rule("any", [self.nodes.node(met), self.nodes.node([*rest, *self._below(part, "else")])])
        for part in node:
            for key in ("anyOf", "oneOf"):
                if key in part.words:
                    rest = self._beside(node, part, key)
                    return Rule("any", [self.nodes.node([*rest, branch]) for branch in self.nodes.children(part, key)])
        if member_lists(node) or len(allowed := kinds(node)) == 1:
            return None
        typed = [self.typed.setdefault(kind, Part({"type": kind})) for kind in allowed]
        return Rule("any", [self.nodes.node([*node, part]) for part in typed])

    def _beside(self, node: Node, part: Part, *keys: str) -> list[Part]:
        """The node without some keywords of one part."""
        return [self.nodes.drop(other, *keys) if other is part else other for other in node]

    def _below(self, part: Part, key: str) -> list[Part]:
        return [self.nodes.part(part.words[key], (*part.where, key))] if key in part.words else []

    def _shape(self, node: Node) -> Rule:
        kind = None if member_lists(node) else kinds(node)[0]
        if kind == "object":
            return self._object(node)
        if kind == "array":
            return self._array(node)
        self.scalars.make(node, "value", 0)
        return Rule("leaf")

    def _object(self, node: Node) -> Rule:
        low, high = sizes(node, "Properties")
        names = self._names(node, low)
        if len(names) > high:
            raise fault(node, "maxProperties", f"at least {len(names)} properties are required")
        known = [name for found in values(node, "properties") for name in found] if self.full else []
        fields = {name: self._property(node, name) for name in dict.fromkeys([*known, *names])}
        needs = [fields[name] for name in names]
        return Rule("object", needs, (), (low, high), fields, frozenset(fields.keys() - names))

    def _names(self, node: Node, low: int) -> list[str]:
        """List required names in the order of `properties`; up to `low`, add optional ones and then made-up ones."""
        known = dict.fromkeys(name for names in values(node, "properties") for name in names)
        required = dict.fromkeys(name for names in values(node, "required") for name in names)
        self.budget.spend(len(known) + len(required) + low)
        optional = [name for name in known if name not in required][: max(0, low - len(required))]
        chosen = {*required, *optional}
        names = [name for name in known if name in chosen] + [name for name in required if name not in known]
        return names + [f"property{index + 1}" for index in range(low - len(names))]

    def _property(self, node: Node, name: str) -> Node:
        return self.nodes.node([schema for part in node for schema in self._property_schemas(part, name)])

    def _property_schemas(self, part: Part, name: str) -> list[Part]:
        known, found = part.words.get("properties", {}), list[Part]()
        if name in known:
            found.append(self.nodes.part(known[name], (*part.where, "properties", name)))
        for pattern, schema in part.words.get("patternProperties", {}).items():
            if self.scalars.pattern(part, "patternProperties", pattern).found_in(name):
                found.append(self.nodes.part(schema, (*part.where, "patternProperties", pattern)))
        if not found and "additionalProperties" in part.words:
            found.append(self.nodes.part(part.words["additionalProperties"], (*part.where, "additionalProperties")))
        return found

    def _array(self, node: Node) -> Rule:
        low, high = sizes(node, "Items")
        if low > high:
            raise fault(node, "maxItems", f"at least {low} items are required")
        width = max(map(len, values(node, "prefixItems")), default=0)
        slots = [self.nodes.node([item for part in node for item in self._item(part, at)]) for at in range(width + 1)]
        return Rule("array", slots[:low], slots, (low, high))

    def _item(self, part: Part, at: int) -> list[Part]:
        prefix = part.words.get("prefixItems", ())
        if at < len(prefix):
            return [self.nodes.part(prefix[at], (*part.where, "prefixItems", at))]
        return [self.nodes.part(part.words["items"], (*part.where, "items"))] if "items" in part.words else []
