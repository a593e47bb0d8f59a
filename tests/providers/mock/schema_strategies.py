"""JSON Schemas to test with: strategies for those that can be met by construction, and the large and hostile ones."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

Schema = Any  # a JSON Schema document

FORMATS = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"]
PATTERNS = [
    r"^[a-z]+$",
    r"^@[a-zA-Z0-9_]+$",
    r"^\d{4}-\d{2}-\d{2}$",
    r"^\+?[1-9]\d{1,14}$",
    r"^(?:\([0-9]{3}\))?[0-9]{3}-[0-9]{4}$",
    r"^#(?:[0-9a-fA-F]{3}){1,2}$",
    r"^v\d+\.\d+\.\d+(-[\w.]+)?$",
    r"[A-Z]{2,3}",
    r"^(red|green|blue)$",
    r"^a$|^bc$",
    r"^[^\s@]+@[^\s@]+\.[^\s@]{2,}$",
    r"\bword\b",
    r"^.*$",
    r"^$",
    r"^(?!-)[a-z-]{1,63}$",
    r"^(?<year>[0-9]{4})/(?<month>0[1-9]|1[0-2])$",
    r"^[À-ÿ]{2}\/x$",
]


def accepts(schema: Schema, instance: object) -> bool:
    """Tell whether a validator of JSON Schema, which fetches nothing, accepts an instance."""

    def refuse(uri: str) -> Schema:
        raise AssertionError(f"fetched {uri}")

    return jsonschema_rs.validator_for(schema, validate_formats=True, retriever=refuse).is_valid(instance)


def items_of(schema: Schema, count: int) -> Schema:
    """An array of so many different items."""
    return {"type": "array", "items": schema, "minItems": count, "uniqueItems": True}


def closed(**properties: Schema) -> Schema:
    """An object as strict mode wants it: all properties required, no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def exactly(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    """Bounds stand around a number that is known to fit."""
    places = draw(st.sampled_from([1, 1, 2, 10, 100, 1000]))
    step = Fraction(draw(st.integers(1, 500)), places)
    fits = step * draw(st.integers(-1000, 1000))
    integer = fits.denominator == 1 and draw(st.booleans())
    schema: Schema = {"type": "integer" if integer else "number"}
    if draw(st.booleans()):
        schema["multipleOf"] = exactly(step)
    for inclusive, exclusive, sign in (("minimum", "exclusiveMinimum", -1), ("maximum", "exclusiveMaximum", 1)):
        distance = Fraction(draw(st.integers(0, 3000)), places) * sign
        if draw(st.booleans()):
            schema[exclusive if distance and draw(st.booleans()) else inclusive] = exactly(fits + distance)
    return schema


@st.composite
def strings(draw: st.DrawFn) -> Schema:
    extra = draw(
        st.one_of(
            st.just({}),
            st.sampled_from(FORMATS).map(lambda name: {"format": name}),
            st.sampled_from(PATTERNS).map(lambda pattern: {"pattern": pattern}),
            st.tuples(st.integers(0, 30), st.integers(0, 30)).map(
                lambda sizes: {"minLength": min(sizes), "maxLength": max(sizes)}
            ),
        )
    )
    return {"type": "string", **extra}


def members() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
    return plain | st.lists(plain, max_size=2) | st.dictionaries(st.text(max_size=3), plain, max_size=2)


def nullable(schema: Schema) -> Schema:
    kind = schema.get("type")
    return {**schema, "type": [kind, "null"]} if isinstance(kind, str) and kind != "null" else schema


def names() -> st.SearchStrategy[str]:
    return st.sampled_from(["name", "age", "a/b", "m~n", "été", "100%", "$ref", "type", "items"])


def leaves(references: list[Schema]) -> st.SearchStrategy[Schema]:
    plain = st.one_of(
        numbers(),
        strings(),
        st.sampled_from([{"type": "boolean"}, {"type": "null"}]),
        st.lists(members(), min_size=1, max_size=3).map(lambda values: {"enum": values}),
        members().map(lambda value: {"const": value}),
    )
    return plain | plain.map(nullable) | st.sampled_from([*references, {"type": "null"}])


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    low, high = sorted(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))))
    limits = draw(st.sampled_from([{}, {"minItems": low}, {"maxItems": high}, {"minItems": low, "maxItems": high}]))
    return {"type": "array", "items": draw(inner), **limits}


def composites(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        st.dictionaries(names(), inner, max_size=4).map(lambda properties: closed(**properties)),
        st.dictionaries(names(), inner, max_size=3).map(lambda properties: nullable(closed(**properties))),
        arrays(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
    )


def ending(schema: Schema) -> Schema:
    """Recursion may always stop at null; a reference on its own may not lead back to itself."""
    return closed(again={"anyOf": [schema, {"type": "null"}]})


@st.composite
def strict_schemas(draw: st.DrawFn) -> Schema:
    """Any definition may refer to any other and to the root, but only below an `anyOf` that has a way out."""
    keys = ["Node", "a/b", "m~n", "100%"][: draw(st.integers(0, 4))]
    pointers = ["#", *("#/$defs/" + key.replace("%", "%25").replace("~", "~0").replace("/", "~1") for key in keys)]
    references = [{"$ref": pointer} for pointer in pointers]
    ways_out: list[Schema] = [
        {"anyOf": order} for ref in references for order in ([ref, {"type": "null"}], [{"type": "null"}, ref])
    ]
    ways_out += [{"type": "array", "items": ref} for ref in references]
    bodies = st.recursive(leaves(ways_out), composites, max_leaves=6)
    definitions = {key: draw(bodies) for key in keys}
    # A definition that is itself an `anyOf` of references would describe nothing, so each stands in an object.
    root = closed(**{f"field{index}": draw(bodies) for index in range(draw(st.integers(1, 3)))})
    return {**root, "$defs": {key: ending(schema) for key, schema in definitions.items()}}


def documents() -> st.SearchStrategy[Any]:
    """JSON that is seldom a schema, though it has a schema's keywords."""
    keywords = "type $ref allOf anyOf items properties required minItems pattern enum minimum multipleOf maxLength"
    keywords += " additionalProperties patternProperties prefixItems $defs"
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["#", "#/items", "#/enum/0"]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keywords.split()), inner, max_size=5)
        ),
    )


# --- large and hostile schemas


def nested(depth: int) -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(depth):
        schema = closed(a=schema)
    return schema


def towering(depth: int) -> Schema:
    schema: Schema = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


def doubling(levels: int) -> Schema:
    defs: Schema = {
        f"L{n}": closed(a={"$ref": f"#/$defs/L{n + 1}"}, b={"$ref": f"#/$defs/L{n + 1}"}) for n in range(levels)
    }
    return {"$defs": {**defs, f"L{levels}": {"type": "null"}}, "$ref": "#/$defs/L0"}


def chained(length: int) -> Schema:
    return {"$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(length)}, "$ref": "#/$defs/0"}


def optional_self(count: int) -> Schema:
    return closed(**{f"p{n}": {"anyOf": [{"$ref": "#"}, {"type": "null"}]} for n in range(count)})


HOSTILE = {
    "a pattern of a hundred million letters": {"pattern": "(a{9999}){9999}"},
    "a pattern of a hundred million nothings": {"pattern": "((){9999}){9999}"},
    "a pattern of parentheses": {"pattern": "(" * 1500},
    "groups in groups": {"pattern": "(" * 300 + ")" * 300},
    "an automaton of millions of steps": {"enum": ["a" * 99_999], "pattern": "[ab]{9999}x"},
    "backtracking without an end": {"enum": [f"{'a' * n}b" for n in range(20, 420)], "pattern": "^((?=a)a+)+$"},
    "a string of a terabyte": {"type": "string", "minLength": 10**12},
    "a trillion items": {"type": "array", "minItems": 10**12},
    "a trillion properties": {"type": "object", "minProperties": 10**12},
    "a trillion leaves": doubling(40),
    "a gigabyte of automata": closed(**{f"p{n}": {"pattern": f"([ab]{{1,200}}){{1,200}}{n}$"} for n in range(300)}),
    "300 objects in each other": nested(300),
    "9,000 arrays in each other": towering(9000),
    "a chain of references": chained(5000),
    "a square": {"type": "array", "minItems": 999, "items": {"type": "array", "minItems": 999}},
}
LARGE = {
    "branches in branches": {"pattern": "(a|" * 40 + "b" + ")" * 40},
    "a long pattern": {"pattern": "a" * 5000},
    "4,096 leaves": doubling(12),
    "30 ways to recur": optional_self(30),
    "200 ways to recur": optional_self(200),
    "5,000 properties": closed(**{f"p{n}": {"type": "string"} for n in range(5000)}),
    "1,000 patterns": closed(**{f"p{n}": {"pattern": f"^[0-9a-f]{{8}}-{n}$"} for n in range(1000)}),
    "a pattern that backtracks": {"type": "string", "pattern": "^(a+)+$"},
    "backtracks on a format": {"type": "string", "format": "uuid", "pattern": "((0|-|4|8)+)+$"},
    "stars on stars": {"type": "string", "pattern": "(((a*)*)*)*$"},
}
