"""`theoryctl manifest test`: anybody's provider held against the rules for providers."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import REF, Cli
from tests.real.conftest import CANARY
from tests.real.vendor import Vendor, echoes_the_key

ACME = "acme/echo@1"

#: What stands at the end of a provider whose mock answer is no event.
BREAKS = """\
async def stream(self, request):
    yield "hello"

EchoProvider.stream = stream
"""


def test_the_bundled_manifests_pass_and_say_what_was_not_looked_at(cli: Cli) -> None:
    ran = cli("manifest", "test", "llm/mock@1")
    assert ran.status == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[:3] == ["passed   class", "passed   mock", "passed   whole"]
    assert "skipped  real: no vendor is given to ask" in lines
    assert "--env-file" in ran.err


def test_a_new_provider_passes_and_one_that_breaks_a_rule_fails_with_exit_1(theoryctl: Cli, tmp_path: Path) -> None:
    theoryctl("manifest", "new", ACME)
    passed = theoryctl("manifest", "test", ACME, "--json")
    assert (passed.status, passed.document["conforms"]) == (0, True), passed.err
    source = tmp_path / "work/acme_echo/src/acme_echo/__init__.py"
    source.write_text(f"{source.read_text()}\n\n{BREAKS}")
    failed = theoryctl("manifest", "test", ACME, "--json")
    document = failed.document
    assert (failed.status, document["schema"], document["ref"]) == (1, "theoryctl.conformance/v1", ACME)
    (check,) = (check for check in document["checks"] if check["outcome"] == "failed" and check["name"] == "mock")
    assert "acme_echo:EchoProvider yielded 'hello'" in check["reason"]


def test_real_mode_is_checked_with_the_keys_of_an_env_file(theoryctl: Cli, tmp_path: Path) -> None:
    with Vendor(echoes_the_key()) as vendor:
        lines = [f"{name}={value}" for name, value in {"OPENAI_API_KEY": CANARY, **vendor.addresses}.items()]
        file = tmp_path / "keys.env"
        file.write_text("\n".join(lines))
        ran = theoryctl("manifest", "test", REF, "--env-file", str(file), "--json")
    assert ran.status == 0, ran.out
    assert {check["outcome"] for check in ran.document["checks"]} == {"passed"}
    assert CANARY not in ran.out + ran.err


def test_a_ref_that_is_not_there_is_an_error_and_no_report(cli: Cli) -> None:
    ran = cli("manifest", "test", "acme/none@1", "--json")
    assert (ran.status, ran.document["error"]["code"]) == (3, "ERR_REF_NOT_FOUND")
