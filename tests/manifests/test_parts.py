"""The schema of some inputs alone, as `manifest show --input` prints it."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from tests.conftest import REF, Cli
from theoryctl.manifests.parts import schema_of


def test_show_prints_the_schema_of_inputs_that_are_named_with_all_that_it_refers_to(cli: Cli) -> None:
    whole = cli("manifest", "show", REF, "--schema", "--json").document
    part = cli("manifest", "show", REF, "--input", "messages", "--input", "seed", "--json").document
    assert part["properties"] == {name: whole["properties"][name] for name in ("messages", "seed")}
    assert {"message", "part", "attach"} <= part["$defs"].keys() < whole["$defs"].keys()
    assert jsonschema_rs.is_valid(part, {"messages": [{"role": "user", "content": "x"}]})
    assert not jsonschema_rs.is_valid(part, {"messages": [{"role": "x"}]})
    assert not jsonschema_rs.is_valid(part, {"seed": "x"})


def test_show_of_an_input_that_nobody_knows_names_the_near_one(cli: Cli) -> None:
    ran = cli("manifest", "show", REF, "--input", "seed", "--input", "tool", "--json")
    assert ran.status == 2
    assert ran.document["error"]["hint"] == f"theoryctl manifest show {REF} --input seed --input tools --json"
    assert cli("manifest", "show", REF, "--input", "zzzz").err.endswith(f"hint: theoryctl manifest show {REF}\n")


def test_a_part_that_another_property_is_made_of_is_kept_with_it_and_one_that_is_nowhere_left_out() -> None:
    schema: dict[str, Any] = {
        "properties": {"a": {"$ref": "#/properties/b~1c"}, "b/c": {"items": {"$ref": "#/properties/a"}}, "d": {}},
        "$defs": {"unused": {}},
    }
    part = schema_of(["a"], schema)
    assert (part["type"], part["properties"].keys()) == ("object", {"a", "b/c"})
    assert "$defs" not in schema_of(["d"], schema)
    assert schema_of(["e"], {"properties": {"e": {"$ref": "#/$defs/nowhere"}}})["properties"].keys() == {"e"}
