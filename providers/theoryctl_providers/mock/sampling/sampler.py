"""Make one deterministic JSON instance of a JSON Schema, for structured outputs that a mock model has to invent.

It walks through the schema's grammar: first branches while shallow, least heights beyond. Schemas are read as draft
2020-12 (https://json-schema.org/draft/2020-12). All of the subset that OpenAI's structured outputs accept is met
(https://platform.openai.com/docs/guides/structured-outputs#supported-schemas); of the rest, `not`, `contains`,
`dependent*`, `unevaluated*` and `propertyNames` are not looked at, so check the instance. A full instance has its
optional properties, too, but for those that lead back to an object around them; for it, `if` is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theoryctl_providers.mock.sampling.grammar import Grammar, Rule
from theoryctl_providers.mock.sampling.schema import Budget, CannotSample, Node, fault, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from theoryctl_providers.mock.words import Words

# Beyond any of these the shortest derivation is taken, which keeps recursive schemas readable and finite.
SHALLOW_REFS, SHALLOW_LEVELS, SHALLOW_NODES = 3, 40, 10_000


class Sampler:
    """One schema's grammar, and how much has been made of it."""

    def __init__(self, schema: Any, words: Words | None, *, full: bool) -> None:
        self.budget, self.made, self.words = Budget(), 0, words
        self.grammar = Grammar(schema, self.budget, full=full)
        self.around: list[Node] = []

    def value(self, name: str) -> Any:
        root = self.grammar.root
        if root not in self.grammar.heights:
            raise self.grammar.blame(root)
        return self._make(root, name, 0, 0, 0)

    def _make(self, node: Node, name: str, turn: int, refs: int, level: int) -> Any:
        """Make one value. `turn` varies it, for unique items; `refs` and `level` count references and nodes above."""
        self.made += 1
        self.budget.spend(10)
        while (rule := self.grammar.rules[node]).kind == "any":
            branch = self._pick(rule, least=self._deep(refs, level))
            refs, level, node = refs + self._entered(node, branch), level + 1, branch
        if rule.kind == "leaf":
            return self.grammar.scalars.make(node, name, turn, self.words)
        if rule.kind == "array":
            return self._items(node, rule, name, turn, refs, level)
        self.around.append(node)
        made = {
            key: self._make(child, key, turn, refs + self._entered(node, child), level + 1)
            for key, child in self._fields(rule, least=self._deep(refs, level))
        }
        self.around.pop()
        return made

    def _fields(self, rule: Rule, *, least: bool) -> Iterator[tuple[str, Node]]:
        left = rule.size[1] - len(rule.needs)
        for key, child in (rule.fields or {}).items():
            if key in rule.optional:
                if least or left < 1 or child not in self.grammar.heights or self._leads_back(child):
                    continue
                left -= 1
            yield key, child

    def _leads_back(self, node: Node) -> bool:
        """Return whether a node becomes an object that is being made already, or a list of such."""
        for _ in range(SHALLOW_LEVELS):
            rule = self.grammar.rules[node]
            if rule.kind == "any":
                node = self._pick(rule, least=False)
            elif rule.kind == "array" and rule.slots[0] in self.grammar.heights:
                node = rule.slots[0]
            else:
                return node in self.around
        return True

    def _items(self, node: Node, rule: Rule, name: str, turn: int, refs: int, level: int) -> list[Any]:
        unique, made = any(values(node, "uniqueItems")), list[Any]()
        count = self._count(rule, least=self._deep(refs, level))
        self.budget.spend(count)
        for at in range(count):
            child = rule.slots[min(at, len(rule.slots) - 1)]
            below = refs + self._entered(node, child)
            made.append(self._make(child, name, at if unique else turn, below, level + 1))
        # JSON tells true from 1 and so does repr, but not Python's ==.
        if unique and len(set(map(repr, made))) < len(made):
            raise fault(node, "uniqueItems", f"could not make {len(made)} different items")
        return made

    def _count(self, rule: Rule, *, least: bool) -> int:
        low, high = rule.size
        return low if least or low or high < 1 or rule.slots[0] not in self.grammar.heights else 1

    def _pick(self, rule: Rule, *, least: bool) -> Node:
        heights = self.grammar.heights
        finite = (need for need in rule.needs if need in heights)
        return min(finite, key=heights.__getitem__) if least else next(finite)

    def _deep(self, refs: int, level: int) -> bool:
        return refs >= SHALLOW_REFS or level > SHALLOW_LEVELS or self.made > SHALLOW_NODES

    def _entered(self, parent: Node, child: Node) -> bool:
        return any(part in self.grammar.nodes.targets and part not in parent for part in child)


def sample(
    schema: dict[str, Any] | bool, *, name: str = "value", full: bool = False, words: Words | None = None
) -> Any:
    """Return the same JSON value for the same `schema` on every run, platform and Python version.

    Free strings read `mock <property name>`, with `name` for the outermost value. Only references inside `schema` are
    followed; nothing is fetched. With `full` optional properties are there too; `words` are values to use
    first. Raises CannotSample when the schema cannot be met, is not understood or asks too much.
    """
    try:
        return Sampler(schema, words, full=full).value(name)
    except (RecursionError, OverflowError) as error:
        raise CannotSample("$", f"the schema is too deep or its numbers are too large ({error})") from None
