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
_PYTHON = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALPHABET = f"{_LETTERS}{_LETTERS.upper()}0123456789-_. ,:;/+*=@#%&!?'\"()[]{{}}<>|\\^$~`\t\n\r\u00e9\u4e2d"


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

    def __init__(self, words: dict, where: tuple) -> None:
        self.words, self.where = words, where

    def get(self, key: str, default=None):
        """Return a keyword's value, or raise CannotSample if its JSON type is not what the draft says."""
        if key not in self.words:
            return default
        value, shape = self.words[key], _SHAPES[key]
        wrong = not isinstance(value, shape) or (shape is _NUMBER and (isinstance(value, bool) or not _finite(value)))
        if wrong or (key == "multipleOf" and value <= 0):
            raise self.fault(key, "this is not a value the keyword may have")
        return value

    def fault(self, key: str, problem: str) -> CannotSample:
        tokens, where = [key], self.where
        while where:
            where, token = where
            tokens.append(str(token))
        return CannotSample(".".join(["$", *reversed(tokens)]), problem)


class _Rule:
    """`any`: turns into one of `needs`. `object`, `array`, `leaf`: takes all of `needs`, and may use `also`."""

    __slots__ = ("also", "fields", "kind", "needs", "size")

    def __init__(self, kind: str, needs=(), *, also=(), fields=None, size=(0, math.inf)) -> None:
        self.kind, self.needs, self.also, self.fields, self.size = kind, list(needs), list(also), fields, size


class _Grammar:
    """The nodes reachable from a schema, their rules and heights."""

    def __init__(self, schema, budget: _Budget) -> None:
        self.schema, self.budget = schema, budget
        self.parts, self.dropped, self.typed, self.targets = {}, {}, {}, set()
        self.rules, self.heights, self.why = {}, {}, {}
        self.scalars = _Scalars(budget)
        self.root = self.node([self.part(schema, ())])
        self._survey()
        self._measure()

    def part(self, schema, where: tuple) -> _Part:
        if isinstance(schema, bool):
            return _Part({} if schema else {"enum": []}, where)
        if not isinstance(schema, dict):
            raise _Part({}, where[0]).fault(where[1], "not a schema") if where else CannotSample("$", "not a schema")
        return self.parts.setdefault(id(schema), _Part(schema, where))

    def children(self, part: _Part, key: str) -> list[_Part]:
        return [self.part(schema, ((part.where, key), index)) for index, schema in enumerate(part.get(key, ()))]

    def drop(self, part: _Part, *keys: str) -> _Part:
        if (part, keys) not in self.dropped:
            words = {key: value for key, value in part.words.items() if key not in keys}
            self.dropped[part, keys] = _Part(words, part.where)
        return self.dropped[part, keys]

    def node(self, parts) -> tuple[_Part, ...]:
        """Unfold `$ref` and `allOf`; what cannot be unfolded becomes a node without instances, so siblings still count."""
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
        if part in trail or len(trail) > MAX_HEIGHT:
            raise trail[-1].fault("$ref", "the reference leads back to itself or through too many others")
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
                queue += [*rule.needs, *rule.also]

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
        return None

    def _shape(self, node) -> _Rule:
        kinds = _types(node)
        if any(part.words.keys() & {"enum", "const"} for part in node) or kinds[0] not in ("object", "array"):
            if len(kinds) == 1 or not kinds.isdisjoint(()):
                pass
        return _Rule("leaf")
