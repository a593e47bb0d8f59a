"""One deterministic JSON instance for a JSON Schema, for structured outputs that a mock model has to invent.

Schemas are read as draft 2020-12 (https://json-schema.org/draft/2020-12). All of the subset that OpenAI's structured
outputs accept is met (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas); of the rest,
`not`, `if`, `contains`, `dependent*`, `unevaluated*` and `propertyNames` are not looked at, so check the instance.

A schema is treated as a grammar. A node is a conjunction of schemas with `$ref` and `allOf` already unfolded; its rule
says which nodes it may turn into or needs; its height is that of its shortest finite derivation, and none means that
no finite instance exists. Every loop pays from one budget, so the cost is bounded whatever the schema says.
"""

import math

MAX_WORK = 2_000_000  # steps; a few seconds at worst
MAX_TEXT = 100_000  # code points in one string
MAX_HEIGHT = 120  # levels, with room to spare under Python's default recursion limit of 1,000
MAX_PATTERN = 4_000  # code points
# Beyond any of these the shortest derivation is taken, which keeps recursive schemas readable and finite.
SHALLOW_REFS, SHALLOW_LEVELS, SHALLOW_NODES = 3, 40, 10_000

# Addresses and names come from the ranges reserved for documentation: RFC 2606, RFC 3849, RFC 5737.
_FORMATS = {
    "date-time": ("2024-01-01T00:00:00Z",),
    "date": ("2024-01-01",),
    "time": ("00:00:00Z",),
    "duration": ("P1D",),
    "email": ("user@example.com", "a@b.co"),
    "idn-email": ("user@example.com", "a@b.co"),
    "hostname": ("example.com", "a"),
    "idn-hostname": ("example.com", "a"),
    "ipv4": ("192.0.2.1", "0.0.0.1"),
    "ipv6": ("2001:db8::1", "::1"),
    "uuid": ("00000000-0000-4000-8000-000000000000",),
    "uri": ("https://example.com/", "a:b"),
    "uri-reference": ("https://example.com/", "a"),
    "iri": ("https://example.com/", "a:b"),
    "iri-reference": ("https://example.com/", "a"),
    "uri-template": ("https://example.com/", "a"),
    "json-pointer": ("/value", ""),
    "relative-json-pointer": ("0",),
    "regex": ("mock", "a"),
}
_NUMBER, _SCHEMA = (int, float), (dict, bool)
_SHAPES = {
    "$ref": str, "allOf": list, "anyOf": list, "oneOf": list, "enum": list, "const": object, "type": (str, list),
    "properties": dict, "required": list, "additionalProperties": _SCHEMA, "patternProperties": dict,
    "minProperties": _NUMBER, "maxProperties": _NUMBER,
    "items": _SCHEMA, "prefixItems": list, "minItems": _NUMBER, "maxItems": _NUMBER, "uniqueItems": bool,
    "pattern": str, "format": str, "minLength": _NUMBER, "maxLength": _NUMBER,
    "minimum": _NUMBER, "maximum": _NUMBER, "exclusiveMinimum": _NUMBER, "exclusiveMaximum": _NUMBER,
    "multipleOf": _NUMBER,
}  # fmt: skip
_HINTS = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_SIZES = {str: ("minLength", "maxLength"), list: ("minItems", "maxItems"), dict: ("minProperties", "maxProperties")}
_KINDS = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None), "number": _NUMBER,
          "integer": _NUMBER}  # fmt: skip
# In order of preference when a pattern leaves a choice; the last two are for patterns that shut out ASCII.
_ALPHABET = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    "-_. ,:;/+*=@#%&!?'\"()[]{}<>|\\^$~`\t\n\r\u00e9\u4e2d"
)


class CannotSample(ValueError):
    """No instance can be made; `path` is the JSON path of the keyword at fault, such as `$.properties.age.pattern`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


def sample(schema: dict | bool, *, name: str = "value"):
    """Return the same JSON value for the same `schema` on every run, platform and Python version.

    Free strings read `mock <property name>`, with `name` for the outermost value. Only references inside `schema` are
    followed; nothing is fetched. Raises CannotSample when the schema cannot be met, is not understood or asks too much.
    """
    try:
        return _Sampler(schema).value(name)
    except (RecursionError, OverflowError) as error:
        raise CannotSample("$", f"the schema is too deep or its numbers are too large ({error})") from None


class _Budget:
    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise CannotSample("$", f"the schema asks for more than {MAX_WORK:,} steps of work")


class _Part:
    """One schema object and where it stands: nested (parent, token) pairs, because deep paths are costly as text."""

    __slots__ = ("where", "words")

    def __init__(self, words: dict | None, where: tuple) -> None:
        self.words, self.where = words, where

    def get(self, key: str, default=None):
        """Return a keyword's value, or raise CannotSample if its JSON type is not what the draft says."""
        if key not in self.words:
            return default
        value, shape = self.words[key], _SHAPES[key]
        wrong = not isinstance(value, shape) or (shape is _NUMBER and not _is_number(value))
        if wrong or (key == "multipleOf" and value <= 0):
            raise self.fault(key, "this is not a value the keyword may have")
        return value

    def fault(self, key: str | None, problem: str) -> CannotSample:
        tokens, where = [key] if key else [], self.where
        while where:
            where, token = where
            tokens.append(str(token))
        return CannotSample(".".join(["$", *reversed(tokens)]), problem)


class _Rule:
    """`any` turns into one of `needs`; `object`, `array` and `leaf` take all of them, and `array` may use `slots`."""

    __slots__ = ("fields", "kind", "needs", "size", "slots")

    def __init__(self, kind: str, needs=(), *, slots=(), fields=None, size=(0, math.inf)) -> None:
        self.kind, self.needs, self.slots, self.fields, self.size = kind, list(needs), slots, fields, size


class _Grammar:
    """The nodes reachable from a schema, their rules and heights."""

    def __init__(self, schema, budget: _Budget) -> None:
        self.schema, self.budget, self.scalars = schema, budget, _Scalars(budget)
        self.parts, self.dropped, self.typed, self.targets = {}, {}, {}, set()
        self.rules, self.heights, self.why = {}, {}, {}
        self.root = self.node([self.part(schema, ())])
        self._survey()
        self._measure()

    def part(self, schema, where: tuple) -> _Part:
        if isinstance(schema, dict):
            return self.parts.setdefault(id(schema), _Part(schema, where))
        return _Part({} if schema is True else None, where)

    def children(self, part: _Part, key: str) -> list[_Part]:
        return [self.part(schema, ((part.where, key), index)) for index, schema in enumerate(part.get(key, ()))]

    def drop(self, part: _Part, *keys: str) -> _Part:
        if (part, keys) not in self.dropped:
            words = {key: value for key, value in part.words.items() if key not in keys}
            self.dropped[part, keys] = _Part(words, part.where)
        return self.dropped[part, keys]

    def node(self, parts) -> tuple[_Part, ...]:
        """Unfold `$ref` and `allOf`; where that fails the node has no instance, so that its siblings still count."""
        seen: dict[_Part, _Part] = {}
        try:
            for part in parts:
                self._unfold(part, seen, (), via_ref=False)
        except CannotSample as error:
            dead = (_Part({"enum": []}, ()),)
            self.why[dead] = error
            return dead
        return tuple(dict.fromkeys(part for part in seen.values() if not _SHAPES.keys().isdisjoint(part.words)))

    def _unfold(self, part: _Part, seen: dict, trail: tuple, *, via_ref: bool) -> None:
        self.budget.spend(1)
        if part.words is None:
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

    def _target(self, part: _Part) -> _Part:
        """Follow a JSON pointer (RFC 6901) in a URI fragment; anything else would need another document."""
        from urllib.parse import unquote

        reference = part.get("$ref")
        if reference != "#" and not reference.startswith("#/"):
            raise part.fault("$ref", f"only references inside the schema are followed, not {reference!r}")
        found, where = self.schema, ()
        for token in unquote(reference).split("/")[1:]:
            token = token.replace("~1", "/").replace("~0", "~")
            try:
                found, where = found[int(token) if isinstance(found, list) else token], (where, token)
            except (KeyError, IndexError, ValueError, TypeError):
                raise part.fault("$ref", f"{reference!r} points at nothing") from None
        return self.part(found, where)

    def _survey(self) -> None:
        queue = [self.root]
        for node in queue:
            if node not in self.rules:
                rule = self.rules[node] = self._rule(node)
                self.budget.spend(1 + len(rule.needs))
                queue += [*rule.needs, *rule.slots]

    def _measure(self) -> None:
        """Find heights breadth first, so that each node is settled once, at its least height."""
        users, missing = {}, {}
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

    def _rule(self, node) -> _Rule:
        try:
            return self._choice(node) or self._shape(node)
        except CannotSample as error:
            self.why.setdefault(node, error)
            return _Rule("any")

    def _choice(self, node) -> _Rule | None:
        for part in node:
            for key in ("anyOf", "oneOf"):
                if key in part.words:
                    rest = [self.drop(other, key) if other is part else other for other in node]
                    return _Rule("any", [self.node([*rest, branch]) for branch in self.children(part, key)])
        kinds = _kinds(node)
        if _member_lists(node) or len(kinds) == 1:
            return None
        typed = [self.typed.setdefault(kind, _Part({"type": kind}, ())) for kind in kinds]
        return _Rule("any", [self.node([*node, part]) for part in typed])

    def _shape(self, node) -> _Rule:
        kind = None if _member_lists(node) else _kinds(node)[0]
        if kind == "object":
            return self._object(node)
        if kind == "array":
            return self._array(node)
        self.scalars.make(node, "value", 0)
        return _Rule("leaf")

    def _object(self, node) -> _Rule:
        low, high = _sizes(node, dict)
        fields = {name: self._property(node, name) for name in self._names(node, low)}
        if len(fields) > high:
            raise _fault(node, "maxProperties", f"at least {len(fields)} properties are required")
        return _Rule("object", fields.values(), fields=fields)

    def _names(self, node, low: int) -> list[str]:
        """List required names in the order of `properties`; up to `low`, add optional ones and then made-up ones."""
        known = dict.fromkeys(name for part in node for name in part.get("properties", ()))
        required = dict.fromkeys(str(name) for part in node for name in part.get("required", ()))
        self.budget.spend(len(known) + len(required) + low)
        optional = [name for name in known if name not in required][: max(0, low - len(required))]
        chosen = {*required, *optional}
        names = [name for name in known if name in chosen] + [name for name in required if name not in known]
        return names + [f"property{index + 1}" for index in range(low - len(names))]

    def _property(self, node, name: str) -> tuple[_Part, ...]:
        return self.node([schema for part in node for schema in self._property_schemas(part, name)])

    def _property_schemas(self, part: _Part, name: str) -> list[_Part]:
        known, found = part.get("properties", {}), []
        if name in known:
            found.append(self.part(known[name], ((part.where, "properties"), name)))
        for pattern, schema in part.get("patternProperties", {}).items():
            if self.scalars.pattern(part, "patternProperties", pattern).found_in(name):
                found.append(self.part(schema, ((part.where, "patternProperties"), pattern)))
        if not found and "additionalProperties" in part.words:
            found.append(self.part(part.get("additionalProperties"), (part.where, "additionalProperties")))
        return found

    def _array(self, node) -> _Rule:
        low, high = _sizes(node, list)
        if low > high:
            raise _fault(node, "maxItems", f"at least {low} items are required")
        width = max((len(part.get("prefixItems", ())) for part in node), default=0)
        slots = [self.node([item for part in node for item in self._item(part, at)]) for at in range(width + 1)]
        return _Rule("array", slots[:low], slots=slots, size=(low, high))

    def _item(self, part: _Part, at: int) -> list[_Part]:
        prefix = part.get("prefixItems", ())
        if at < len(prefix):
            return [self.part(prefix[at], ((part.where, "prefixItems"), at))]
        return [self.part(part.get("items"), (part.where, "items"))] if "items" in part.words else []

    def blame(self, node) -> CannotSample:
        """Say why `node` has no finite instance, by following the first need that has none either."""
        seen = set()
        while node not in self.why and node not in seen:
            seen.add(node)
            node = next((need for need in self.rules[node].needs if need not in self.heights), node)
        endless = f"no instance ends within {MAX_HEIGHT} levels"
        return self.why.get(node) or [*node, _Part({}, ())][0].fault(None, endless)


class _Sampler:
    """Walks the rules: first branches while shallow, least heights beyond."""

    def __init__(self, schema) -> None:
        self.budget, self.made = _Budget(), 0
        self.grammar = _Grammar(schema, self.budget)

    def value(self, name: str):
        root = self.grammar.root
        if root not in self.grammar.heights:
            raise self.grammar.blame(root)
        return self._make(root, name, 0, 0, 0)

    def _make(self, node, name: str, turn: int, refs: int, level: int):
        """Make one value. `turn` varies it, for unique items; `refs` and `level` count references and nodes above."""
        self.made += 1
        self.budget.spend(1)
        while (rule := self.grammar.rules[node]).kind == "any":
            branch = self._pick(rule, least=self._deep(refs, level))
            refs, level, node = refs + self._entered(node, branch), level + 1, branch
        if rule.kind == "leaf":
            return self.grammar.scalars.make(node, name, turn)
        if rule.kind == "array":
            return self._items(node, rule, name, turn, refs, level)
        return {
            key: self._make(child, key, turn, refs + self._entered(node, child), level + 1)
            for key, child in rule.fields.items()
        }

    def _items(self, node, rule: _Rule, name: str, turn: int, refs: int, level: int) -> list:
        unique, made = any(part.get("uniqueItems") for part in node), []
        for at in range(self._count(rule, least=self._deep(refs, level))):
            child = rule.slots[min(at, len(rule.slots) - 1)]
            below = refs + self._entered(node, child)
            made.append(self._make(child, name, at if unique else turn, below, level + 1))
        # JSON tells true from 1 and so does repr, but not Python's ==.
        if unique and len(set(map(repr, made))) < len(made):
            raise _fault(node, "uniqueItems", f"could not make {len(made)} different items")
        return made

    def _count(self, rule: _Rule, *, least: bool) -> int:
        low, high = rule.size
        return low if least or low or high < 1 or rule.slots[0] not in self.grammar.heights else 1

    def _pick(self, rule: _Rule, *, least: bool):
        heights = self.grammar.heights
        finite = (need for need in rule.needs if need in heights)
        return min(finite, key=heights.__getitem__) if least else next(finite)

    def _deep(self, refs: int, level: int) -> bool:
        return refs >= SHALLOW_REFS or level > SHALLOW_LEVELS or self.made > SHALLOW_NODES

    def _entered(self, parent, child) -> bool:
        return any(part in self.grammar.targets and part not in parent for part in child)


class _Scalars:
    """Strings, numbers, booleans, null, and the members of `enum` and `const`."""

    def __init__(self, budget: _Budget) -> None:
        self.budget, self.patterns = budget, {}

    def make(self, node, name: str, turn: int):
        if _member_lists(node):
            return self._member(node, turn)
        kind = _kinds(node)[0]
        if kind == "string":
            return self._string(node, name, turn)
        if kind in ("number", "integer"):
            return _Range(node, whole=kind == "integer").value(turn)
        return turn % 2 == 0 if kind == "boolean" else None

    def pattern(self, part: _Part, key: str, source: str) -> "_Pattern":
        if source not in self.patterns:
            self.patterns[source] = _Pattern(source, self.budget, lambda problem: part.fault(key, problem))
        return self.patterns[source]

    def _member(self, node, turn: int):
        from copy import deepcopy
        from itertools import islice

        members = _member_lists(node)[0]
        self.budget.spend(len(members))
        fitting = list(islice((member for member in members if self._fits(member, node)), turn + 1))
        if not fitting:
            raise _fault(node, "const" if _has(node, "const") else "enum", "no member fits the keywords beside it")
        return deepcopy(fitting[turn % len(fitting)])

    def _fits(self, value, node) -> bool:
        if _has(node, "type") and not any(_is(value, kind) for kind in _kinds(node)):
            return False
        if not all(any(_same(value, member) for member in members) for members in _member_lists(node)):
            return False
        if _is_number(value):
            return _Range(node, whole=False).holds(value)
        low, high = _sizes(node, type(value))
        if type(value) in _SIZES and not low <= len(value) <= high:
            return False
        return not isinstance(value, str) or self._matches(value, node)

    def _patterns(self, node) -> list["_Pattern"]:
        return [self.pattern(part, "pattern", part.get("pattern")) for part in node if "pattern" in part.words]

    def _matches(self, text: str, node) -> bool:
        return all(pattern.found_in(text) for pattern in self._patterns(node))

    def _string(self, node, name: str, turn: int) -> str:
        low, high = _sizes(node, str)
        if low > min(high, MAX_TEXT):
            raise _fault(node, "minLength", f"a string of {low} code points is too long")
        self.budget.spend(low)
        for text in self._texts(node, name, turn, low, high):
            if low <= len(text) <= high and self._matches(text, node):
                return text
        key = next((key for key in ("pattern", "format") if _has(node, key)), "maxLength")
        raise _fault(node, key, "found no string that fits this and the keywords beside it")

    def _texts(self, node, name: str, turn: int, low: int, high: float):
        formats = [text for part in node for text in _FORMATS.get(part.get("format"), ())]
        for text in formats:
            yield _lengthened(_turned(text, turn), low)
        for pattern in self._patterns(node):
            # Without anchors, more may stand on either side of a match.
            text = pattern.text(low, turn)
            yield from dict.fromkeys((text, text.ljust(low, "x"), text.rjust(low, "x")))
        if not formats and not self._patterns(node):
            tail = f" {turn + 1}" if turn else ""
            yield (f"mock {name}"[: int(max(0, min(high, MAX_TEXT) - len(tail)))] + tail).ljust(low, "x")


class _Range:
    """The numbers a node allows, in exact fractions: 0.3 is a multiple of 0.1, which binary floats would deny."""

    def __init__(self, node, *, whole: bool) -> None:
        self.node = node
        lows = [(_exact(value), False) for value in _values(node, "minimum")]
        lows += [(_exact(value), True) for value in _values(node, "exclusiveMinimum")]
        highs = [(_exact(value), True) for value in _values(node, "maximum")]
        highs += [(_exact(value), False) for value in _values(node, "exclusiveMaximum")]
        # The flags make the stricter of two equal bounds win: low is exclusive if `above`, high inclusive if `reached`.
        self.low, self.above = max(lows, default=(None, False))
        self.high, self.reached = min(highs, default=(None, True))
        self.step = None
        for step in [_exact(value) for value in _values(node, "multipleOf")] + [_exact(1)] * whole:
            self.step = _common_multiple(self.step or step, step)

    def holds(self, number) -> bool:
        value = _exact(number)
        if self.low is not None and (value <= self.low if self.above else value < self.low):
            return False
        if self.high is not None and (value > self.high if self.reached else value >= self.high):
            return False
        return self.step is None or value % self.step == 0

    def value(self, turn: int):
        """Return the allowed number nearest zero (its `turn`th neighbour), or one close to a bound it must not reach."""
        for value in self._multiples(turn) if self.step else self._between(turn):
            number = int(value) if value.denominator == 1 else float(value)
            # A float may have rounded across a bound or off the grid.
            if self.holds(number):
                return number
        key = next((key for key in _HINTS["number"] if _has(self.node, key)), "type")
        raise _fault(self.node, key, "no number fits this and the keywords beside it")

    def _multiples(self, turn: int):
        first = -math.inf if self.low is None else math.ceil(self.low / self.step)
        last = math.inf if self.high is None else math.floor(self.high / self.step)
        first += self.low is not None and self.above and first * self.step == self.low
        last -= self.high is not None and not self.reached and last * self.step == self.high
        nearest = min(max(0, first), last)
        for offset in range(turn, turn + 100) if first <= last else ():
            for index in (nearest + offset, nearest - offset):
                if first <= index <= last:
                    yield index * self.step

    def _between(self, turn: int):
        zero = _exact(0)
        low, high = self.low, self.high
        yield from (zero + turn, zero - turn)
        if high is not None and high <= 0:
            yield from (high - turn, _exact(math.ceil(high) - 1 - turn))
        elif low is not None:
            yield from (low + turn, _exact(math.floor(low) + 1 + turn))
        if low is not None and high is not None:
            yield low + (high - low) * (turn + 1) / (turn + 2)
            yield (low + high) / 2


class _Pattern:
    """A regular expression that can be written out and looked for, both at a cost that is bounded.

    `re._parser` is private, but its tree of (operation, argument) pairs is the same from Python 3.11 to 3.14 and it
    saves a second parser. `re` itself would not do for matching: its backtracking is exponential for hostile patterns.
    Classes such as `\\d` mean ASCII, as they do in ECMA-262, which JSON Schema follows.
    """

    def __init__(self, source: str, budget: _Budget, fault) -> None:
        import re

        self.budget, self.fault = budget, fault
        budget.spend(len(source))
        if len(source) > MAX_PATTERN:
            raise fault(f"a pattern of over {MAX_PATTERN} code points is not tried")
        try:
            # ECMA-262 writes named groups without Python's P.
            self.tree = re._parser.parse(re.sub(r"(?<!\\)\(\?<(?![=!])", "(?P<", source))
        except (re.error, OverflowError, RecursionError) as error:
            raise fault(f"the pattern was not understood ({error})") from None

    def text(self, low: int, turn: int) -> str:
        """Write the shortest match, or one of about `low` code points; `turn` picks other members of classes."""
        shortest = self._written(self.tree, 0, turn)
        return self._written(self.tree, low - len(shortest), turn) if len(shortest) < low else shortest

    def found_in(self, text: str) -> bool:
        return bool(self._ends(self.tree, set(range(len(text) + 1)), text))

    def _written(self, items, spare: int, turn: int) -> str:
        pieces = [self._piece(str(op), arg, 0, turn) for op, arg in items]
        for index, (op, arg) in enumerate(items if spare > 0 else ()):
            longer = self._piece(str(op), arg, spare, turn)
            spare -= len(longer) - len(pieces[index])
            pieces[index] = longer
            if spare <= 0:
                break
        return self._bounded("".join(pieces), 1)

    def _bounded(self, text: str, times: int) -> str:
        self.budget.spend(1)
        if len(text) * times > MAX_TEXT:
            raise self.fault(f"the shortest match is longer than {MAX_TEXT:,} code points")
        return text * times

    def _piece(self, op: str, arg, spare: int, turn: int) -> str:
        if op in ("AT", "ASSERT", "ASSERT_NOT"):
            return ""
        if op == "BRANCH":
            return self._branch(arg[1], spare, turn)
        if op in ("SUBPATTERN", "ATOMIC_GROUP"):
            return self._written(_body(arg), spare, turn)
        if op.endswith("_REPEAT"):
            return self._repeat(*arg, spare, turn)
        choices = self._choices(op, arg)
        return choices[turn % len(choices)]

    def _branch(self, branches, spare: int, turn: int) -> str:
        texts, failure = [], None
        for branch in branches:
            try:
                texts.append((self._written(branch, 0, turn), self._written(branch, spare, turn)))
            except CannotSample as error:
                failure = error
        if not texts:
            raise failure
        aim = min(len(shortest) for shortest, _ in texts) + spare
        return min((longer for _, longer in texts), key=lambda text: abs(aim - len(text)))

    def _repeat(self, low: int, high: int, body, spare: int, turn: int) -> str:
        if high == 0:
            return ""
        unit = self._written(body, 0, turn) if low or spare > 0 else ""
        times = min(high, low + -(-spare // len(unit))) if unit and spare > 0 else low
        spare -= (times - low) * len(unit)
        if spare <= 0:
            return self._bounded(unit, times)
        return self._bounded(unit, max(0, times - 1)) + self._written(body, spare, turn)

    def _choices(self, op: str, arg) -> list[str]:
        self.budget.spend(1)
        members = [item for kind, item in arg if str(kind) in ("LITERAL", "RANGE")] if op == "IN" else [arg]
        named = [item[0] if isinstance(item, tuple) else item for item in members if item is not None]
        letters = dict.fromkeys([*_ALPHABET, *map(chr, named)])
        choices = [letter for letter in letters if self._accepts(op, arg, letter)]
        if not choices:
            raise self.fault("a class in the pattern has no members that could be written")
        return choices

    def _accepts(self, op: str, arg, letter: str) -> bool:
        if op == "IN":
            negated = str(arg[0][0]) == "NEGATE"
            return negated != any(self._accepts(str(kind), item, letter) for kind, item in arg[negated:])
        if op in ("LITERAL", "NOT_LITERAL"):
            return (ord(letter) == arg) == (op == "LITERAL")
        if op == "RANGE":
            return arg[0] <= ord(letter) <= arg[1]
        if op == "CATEGORY":
            return _in_category(str(arg), letter)
        if op != "ANY":
            raise self.fault(f"{op.lower().replace('_', ' ')} is not supported in patterns")
        return letter not in "\n\r\u2028\u2029"

    def _ends(self, items, starts: set[int], text: str) -> set[int]:
        """Return all places where a match of `items` that begins at one of `starts` may end."""
        for op, arg in items:
            self.budget.spend(1 + len(starts))
            starts = self._step(str(op), arg, starts, text) if starts else starts
        return starts

    def _step(self, op: str, arg, starts: set[int], text: str) -> set[int]:
        if op == "AT":
            return {at for at in starts if _at(str(arg), at, text)}
        if op == "BRANCH":
            return set().union(*(self._ends(branch, starts, text) for branch in arg[1]))
        if op in ("SUBPATTERN", "ATOMIC_GROUP"):
            return self._ends(_body(arg), starts, text)
        if op.endswith("_REPEAT"):
            return self._repeated(*arg, starts, text)
        if op in ("ASSERT", "ASSERT_NOT"):
            return {at for at in starts if self._seen(*arg, at, text) == (op == "ASSERT")}
        return {at + 1 for at in starts if at < len(text) and self._accepts(op, arg, text[at])}

    def _seen(self, direction: int, body, at: int, text: str) -> bool:
        if direction > 0:
            return bool(self._ends(body, {at}, text))
        start = at - body.getwidth()[0]
        return start >= 0 and at in self._ends(body, {start}, text)

    def _repeated(self, low: int, high: int, body, starts: set[int], text: str) -> set[int]:
        for _ in range(low):
            self.budget.spend(1)
            starts = self._ends(body, starts, text)
        reached, edge, times = set(starts), starts, low
        while edge and times < high:
            edge = self._ends(body, edge, text) - reached
            reached, times = reached | edge, times + 1
            self.budget.spend(1 + len(reached))
        return reached


def _body(arg):
    """Return the inside of a group; capturing ones carry their number and flags in front."""
    return arg[3] if isinstance(arg, tuple) else arg


def _in_category(category: str, letter: str) -> bool:
    kind = category.removeprefix("CATEGORY_")
    plain = kind.removeprefix("NOT_")
    known = {"DIGIT": "0123456789".__contains__, "SPACE": str.isspace, "WORD": _is_word}
    return known[plain](letter) == (kind == plain)


def _is_word(letter: str) -> bool:
    return letter == "_" or (letter.isascii() and letter.isalnum())


def _at(kind: str, at: int, text: str) -> bool:
    if kind.startswith("AT_BEGINNING"):
        return at == 0
    if kind.startswith("AT_END"):
        return at == len(text)
    before, after = at > 0 and _is_word(text[at - 1]), at < len(text) and _is_word(text[at])
    return (before != after) == (kind == "AT_BOUNDARY")


def _turned(text: str, turn: int) -> str:
    """Count up the last number in a format's text; one without numbers takes the turn in front."""
    import re

    last = re.search(r"(\d+)(\D*)$", text)
    if not turn or not last:
        return f"{turn or ''}{text}"
    return f"{text[: last.start()]}{int(last[1]) + turn:0{len(last[1])}}{last[2]}"


def _lengthened(text: str, low: int) -> str:
    """Pad where a format's grammar allows it: a path at its end, a host or mailbox in front."""
    return text.ljust(low, "x") if text.endswith("/") else text.rjust(low, "x")


def _is_number(value) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is(value, kind: str) -> bool:
    if kind in ("number", "integer"):
        return _is_number(value) and (kind == "number" or value == int(value))
    return isinstance(value, _KINDS[kind])


def _same(one, other) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _exact(number):
    from fractions import Fraction

    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def _common_multiple(one, other):
    from fractions import Fraction

    divisor = one.denominator * other.denominator
    return Fraction(math.lcm(one.numerator * other.denominator, other.numerator * one.denominator), divisor)


def _has(node, key: str) -> bool:
    return any(key in part.words for part in node)


def _values(node, key: str) -> list:
    return [part.get(key) for part in node if key in part.words]


def _fault(node, key: str, problem: str) -> CannotSample:
    parts = [part for part in node if key in part.words] or [*node, _Part({}, ())]
    return parts[0].fault(key, problem)


def _member_lists(node) -> list[list]:
    return [[value] for value in _values(node, "const")] + _values(node, "enum")


def _sizes(node, kind: type) -> tuple[int, float]:
    if kind not in _SIZES:
        return 0, math.inf
    least, most = _SIZES[kind]
    low = max((math.ceil(value) for value in _values(node, least)), default=0)
    return max(0, low), min((math.floor(value) for value in _values(node, most)), default=math.inf)


def _kinds(node) -> list[str]:
    """Return the types all parts allow, in the order of the first that names any, or guess from the keywords."""
    lists = [[value] if isinstance(value, str) else value for value in _values(node, "type")]
    if not lists:
        return [next((kind for kind, keys in _HINTS.items() if any(_has(node, key) for key in keys)), "string")]
    kinds = lists[0]
    for others in lists:
        kinds = [narrow for kind in kinds if (narrow := _narrowed(kind, others))]
    if not kinds:
        raise _fault(node, "type", "no JSON type is left")
    return kinds


def _narrowed(kind, others: list) -> str | None:
    if kind in others:
        return kind if kind in tuple(_KINDS) else None
    numeric = {"number": "integer", "integer": "number"}
    return "integer" if numeric.get(kind) in others else None
