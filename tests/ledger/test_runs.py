"""The ledger through the command line: what becomes a row, and what `theoryctl runs` tells of it."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import time
from pathlib import Path
from typing import get_args

import jsonschema_rs
import pytest

from tests.conftest import REF, ROOT, Cli
from tests.ledger.conftest import MODEL, Ask, query, rows
from tests.ledger.rows import fill, row, write
from tests.real.conftest import CANARY
from tests.real.vendor import echoes_the_key, fails
from theoryctl.cli.runs import FilterFlags
from theoryctl.ledger.row import Source
from theoryctl.ledger.store import day
from theoryctl.requests.billing import UNBILLED

#: Two days that the ledger still remembers.
FIRST, SECOND = (day(time.time() - days * 86400) for days in (2, 1))
SCHEMA = jsonschema_rs.validator_for(json.loads((ROOT / "docs/runs.schema.json").read_text()), validate_formats=True)
MOCK = ("local", "run", "--ref", REF, "--mode", "mock", "--prompt")


def test_a_real_run_is_a_row_with_its_metadata_and_without_its_content(ask: Ask, cli: Cli, state: Path) -> None:
    envelope = ask(env={"GITHUB_HEAD_REF": "topic", "GITHUB_RUN_ID": "42"}).document
    (row,) = rows(cli)
    same = {name: envelope[name] for name in ("run_id", "ref", "mode", "runtime", "model")}
    same |= {name: envelope["usage"][name] for name in ("input_tokens", "output_tokens", "cost_usd")}
    assert {name: row[name] for name in same} == same
    assert (row["started_at"], row["duration_ms"]) == (envelope["meta"]["started_at"], envelope["meta"]["duration_ms"])
    assert (row["source"], row["code"], row["branch"], row["ci_run"]) == ("run", None, "topic", "42")
    assert 0 <= row["first_token_ms"] <= row["duration_ms"]
    assert row["inputs_digest"].startswith("hmac-sha256:") and row["outputs_digest"].startswith("hmac-sha256:")
    kept = b"".join(file.read_bytes() for file in state.iterdir() if file.is_file())
    assert b"Say hello" not in kept and b"Hello there" not in kept and CANARY.encode() not in kept
    assert {stat.S_IMODE(file.stat().st_mode) for file in state.glob("ledger*")} == {0o600}


def test_a_failed_run_is_a_row_with_its_code(ask: Ask, cli: Cli) -> None:
    assert [ask(by=fails(401)).status for _ in range(2)] == [4, 4]
    assert [row["code"] for row in rows(cli, "--code", "ERR_AUTH")] == ["ERR_AUTH", "ERR_AUTH"]
    assert rows(cli, "--code", "ERR_TIMEOUT") == []


@pytest.mark.parametrize(("flags", "model"), [((), MODEL), (("-m", "openai/gpt-4o"), "openai/gpt-4o")])
def test_a_run_that_failed_before_it_was_asked_is_a_row_with_its_model(
    cli: Cli, flags: tuple[str, ...], model: str
) -> None:
    assert cli("local", "run", "--ref", REF, "--mode", "real", "--prompt", "Hi", *flags).status == 4
    assert [(row["code"], row["model"]) for row in rows(cli)] == [("ERR_MISSING_SECRET", model)]


def test_mocks_are_rows_only_on_request(cli: Cli, state: Path) -> None:
    assert cli(*MOCK, "one").status == 0
    assert not state.exists()
    assert cli(*MOCK, "two", env={"THEORYCTL_LEDGER": "mock"}).status == 0
    assert [row["mode"] for row in rows(cli)] == ["mock"]


def test_switched_off_the_ledger_is_not_even_made(ask: Ask, state: Path) -> None:
    assert ask(env={"THEORYCTL_LEDGER": "off"}).status == 0
    assert not (state / "ledger.db").exists()


@pytest.mark.parametrize("words", ["on", "off,mock", "mock;content"])
def test_a_word_that_the_setting_does_not_know_is_refused(words: str, cli: Cli) -> None:
    ran = cli(*MOCK, "x", env={"THEORYCTL_LEDGER": words})
    assert (ran.status, "THEORYCTL_LEDGER: expected off, or any of mock, content and local" in ran.err) == (2, True)


@pytest.mark.parametrize("line", ['ledger = "off"', "max_cost_per_day = 100"])
def test_a_projects_file_sets_neither_ledger_nor_budget(line: str, cli: Cli, working_folder: Path) -> None:
    (working_folder / "theoryctl.toml").write_text(f"{line}\n")
    ran = cli(*MOCK, "x", "--json")
    assert (ran.status, "a project's file cannot set it" in ran.document["error"]["message"]) == (2, True)


def test_content_is_kept_on_request_and_holds_no_secret(ask: Ask, cli: Cli) -> None:
    env = {"THEORYCTL_LEDGER": "content"}
    assert ask("--stream", prompt=f"My key is {CANARY}.", by=echoes_the_key(4, 11), env=env).status == 0
    (run,) = cli("runs", "show", "--json").document["runs"]
    content = run["content"]
    assert content["inputs"]["messages"][0]["content"] == "My key is [OPENAI_API_KEY]."
    assert content["outputs"][0]["text"] == "Your key is [OPENAI_API_KEY], is it not?"
    assert content["redacted"] is True
    assert CANARY not in cli("runs", "show").out


def test_equal_inputs_have_equal_digests_here_and_other_ones_elsewhere(cli: Cli, tmp_path: Path) -> None:
    def digest(prompt: str, state: str) -> str:
        env = {"THEORYCTL_LEDGER": "mock", "THEORYCTL_STATE_DIR": str(tmp_path / state)}
        assert cli(*MOCK, prompt, env=env).status == 0
        (run,) = cli("runs", "show", "--json", env=env).document["runs"]
        return str(run["inputs_digest"])

    assert digest("x", "a") == digest("x", "a") != digest("y", "a")
    assert digest("x", "a") != digest("x", "b")


def test_runs_are_found_by_ref_model_code_and_time(cli: Cli, environment: dict[str, str], state: Path) -> None:
    environment["THEORYCTL_LEDGER"] = "mock"
    for flags in (("--model", MODEL), ("--model", "anthropic/x"), ("--option", "temperature=9")):
        cli(*MOCK, "x", *flags)
    assert len(rows(cli, "--ref", REF)) == 3
    assert rows(cli, "--ref", "llm/mock@1") == rows(cli, "--mode", "real") == []
    assert [row["model"] for row in rows(cli, "--model", "anthropic/x")] == ["anthropic/x"]
    assert [row["code"] for row in rows(cli, "--code", "any")] == ["ERR_INPUTS"]
    assert len(rows(cli, "--limit", "1")) == 1
    assert cli("runs", "list", "--limit", "1").err == "1 of 3 runs; --limit shows more\n"
    old = "UPDATE runs SET started_at = '2020-01-01T00:00:00.000Z' WHERE model = 'anthropic/x'"
    query(state, old + " RETURNING run_id")
    assert len(rows(cli, "--since", "1h")) == 3  # nothing was committed


def test_runs_are_found_by_a_model_without_its_vendor_and_a_code_in_lower_case(
    cli: Cli, environment: dict[str, str]
) -> None:
    environment["THEORYCTL_LEDGER"] = "mock"
    for model in ("openai/gpt-4o", "openrouter/openai/gpt-4o", "openai/gpt-4o-mini"):
        cli(*MOCK, "x", "--model", model)
    cli(*MOCK, "x", "--option", "temperature=9")
    assert {row["model"] for row in rows(cli, "--model", "gpt-4o")} == {"openai/gpt-4o", "openrouter/openai/gpt-4o"}
    assert rows(cli, "--model", "4o") == rows(cli, "--model", "%") == []
    assert rows(cli, "--code", "err_inputs") == rows(cli, "--code", "ANY") == rows(cli, "--code", "any") != []


def test_a_day_begins_at_midnight_however_long_it_takes_to_read_the_logs() -> None:
    chosen = FilterFlags(since="2026-11-26").chosen()
    time.sleep(1.1)  # times are compared by seconds
    assert chosen.where()[1] == ["2026-11-26T00:00:00"]


def test_runs_are_found_since_a_day_or_a_time_with_its_zone(cli: Cli, state: Path) -> None:
    begun = (f"{FIRST}T23:00:00.000Z", f"{SECOND}T00:00:00.000Z", f"{SECOND}T22:00:00.000Z")
    write(state, [row(started_at=time) for time in begun])
    for since, found in {
        FIRST: 3,
        SECOND: 2,
        f"{SECOND}T22:00:00Z": 1,
        f"{SECOND}T23:59:00+02:00": 1,
        f"{SECOND}T23:00:00Z": 0,
        "2999-01-01": 0,
    }.items():
        assert cli("runs", "cost", "--since", since, "--json").document["total"]["runs"] == found, since
    for odd in ("2026-13-01", "2026-11-26T22:00:00", "2026-11-26 22:00"):
        ran = cli("runs", "list", "--since", odd)
        assert (ran.status, "--since: expected a day, or a time with its zone" in ran.err) == (2, True)


def test_costs_are_summed_by_day_model_and_ref_and_the_unknown_is_no_zero(cli: Cli, state: Path) -> None:

    fill(state, [(FIRST, "a/x", 0.5), (FIRST, "a/x", 0.25), (SECOND, "b/y", None)])
    shown = cli("runs", "cost", "--by", "day,model", "--json").document
    found = [(row["day"], row["model"], row["runs"], row["cost_usd"], row["unpriced"]) for row in shown["costs"]]
    assert found == [(FIRST, "a/x", 2, 0.75, 0), (SECOND, "b/y", 1, None, 1)]
    assert (shown["total"]["cost_usd"], shown["total"]["runs"], shown["total"]["unpriced"]) == (0.75, 3, 1)
    text = cli("runs", "cost")
    assert text.out == "a/x\t2\t0\t20\t40\t$0.75\nb/y\t1\t0\t10\t20\t-\ntotal\t3\t0\t30\t60\t$0.75\n"
    assert "runs without a known cost: 1 of 3" in text.err
    assert query(state, "SELECT day, cost_usd FROM costs ORDER BY day") == [(FIRST, 0.75), (SECOND, None)]


def test_of_runs_without_a_cost_those_count_as_unknown_that_somebody_may_have_billed(cli: Cli, state: Path) -> None:
    codes = (None, "ERR_TIMEOUT", "ERR_PROVIDER", "ERR_RATE_LIMITED", "ERR_MISSING_SECRET")
    write(state, [row(FIRST, cost=None, code=code) for code in codes])
    write(state, [row(FIRST, model="a/mock", mode="mock", cost=None, code=code) for code in (None, "ERR_TIMEOUT")])
    shown = cli("runs", "cost", "--json").document
    assert [(each["model"], each["unpriced"]) for each in shown["costs"]] == [("a/mock", 0), ("a/x", 3)]
    assert query(state, "SELECT model, unpriced FROM costs ORDER BY model") == [("a/mock", 0), ("a/x", 3)]
    assert "runs without a known cost: 3 of 7" in cli("runs", "cost").err
    assert [UNBILLED.issuperset(codes[3:]), UNBILLED.isdisjoint(codes[:3])] == [True, True]


@pytest.mark.parametrize("code", ["timeout", "ERR_TIMEOUT", "err-timeout", "any", "ANY"])
def test_runs_are_found_by_a_code_as_explain_takes_it(cli: Cli, state: Path, code: str) -> None:
    write(state, [row(FIRST, code="ERR_TIMEOUT"), row(FIRST)])
    assert [each["code"] for each in rows(cli, "--code", code)] == ["ERR_TIMEOUT"]
    assert cli("runs", "export", "--code", code).out.count("\n") == 1


@pytest.mark.parametrize("command", ["list", "cost", "export", "report"])
def test_a_code_that_there_is_not_is_refused_by_every_command(cli: Cli, command: str) -> None:
    needed = ("--html", "out.html") if command == "report" else ()
    ran = cli("runs", command, "--code", "timeot", *needed)
    assert (ran.status, "--code: expected any or the code of an error, got 'timeot'" in ran.err) == (2, True)
    assert f"hint: theoryctl runs {command} " in ran.err and "--code ERR_TIMEOUT" in ran.err
    assert "hint: theoryctl explain\n" in cli("runs", command, "--code", "xyzzy", *needed).err


def test_names_to_group_by_that_a_space_sets_apart_are_told_with_their_comma(cli: Cli, state: Path) -> None:
    write(state, [row(FIRST)])
    ran = cli("runs", "cost", "--by", "day", "model")
    assert (ran.status, "--by: expected names with commas between them" in ran.err) == (2, True)
    assert cli(*hinted(ran.err)).out.startswith(f"{FIRST}\ta/x\t")


def test_a_page_that_is_named_without_its_option_is_written_by_the_hint(cli: Cli, working_folder: Path) -> None:
    ran = cli("runs", "report", "--since", "2h", "out.html")
    assert (ran.status, "expected --html PATH, got none" in ran.err) == (2, True)
    assert cli(*hinted(ran.err)).status == 0
    assert (working_folder / "out.html").exists()
    for nothing in ((), (REF,)):
        assert "hint: theoryctl runs report --help\n" in cli("runs", "report", *nothing).err


def hinted(err: str) -> list[str]:
    """The words of the command in the hint of an error."""
    return shlex.split(err.partition("hint: theoryctl ")[2])


def test_a_group_that_there_is_not_is_refused(cli: Cli) -> None:
    ran = cli("runs", "cost", "--by", "day,modell")
    assert (ran.status, "hint: theoryctl runs cost --by day,model" in ran.err) == (2, True)


def test_a_run_is_shown_by_the_beginning_of_its_id(cli: Cli, environment: dict[str, str]) -> None:
    environment["THEORYCTL_LEDGER"] = "mock"
    first, last = (json.loads(cli(*MOCK, text, "--json").out)["run_id"] for text in ("a", "b"))
    assert cli("runs", "show", "--json").document["runs"][0]["run_id"] == last
    for name in (first, first[:14], first.removeprefix("run_")[:10]):
        assert cli("runs", "show", name, "--json").document["runs"][0]["run_id"] == first
    missing, several = cli("runs", "show", "xyz"), cli("runs", "show", "run_")
    assert (missing.status, "has no run 'xyz'" in missing.err) == (2, True)
    assert (several.status, f"hint: theoryctl runs show {last}" in several.err) == (2, True)


def test_pruned_runs_cannot_be_read_from_the_file(cli: Cli, environment: dict[str, str], state: Path) -> None:
    environment["THEORYCTL_LEDGER"] = "mock,content"
    cli(*MOCK, "a sentence that will be forgotten")
    assert b"will be forgotten" in b"".join(file.read_bytes() for file in state.iterdir())
    assert cli("runs", "prune").out == "forgot 0 runs; 1 run left\n"
    assert cli("runs", "prune", "--all").out == "forgot 1 run; 0 runs left\n"
    assert b"will be forgotten" not in b"".join(file.read_bytes() for file in state.iterdir())


def test_a_ledger_that_is_no_database_fails_no_run_and_says_so(ask: Ask, cli: Cli, state: Path) -> None:
    state.mkdir(parents=True, mode=0o700)
    (state / "ledger.db").write_text("not a database, but long enough to be looked at as if it were one\n" * 20)
    ran = ask()
    assert (ran.status, "this run is not in the ledger: " in ran.err) == (0, True)
    listed = cli("runs", "list", "--json")
    assert (listed.status, listed.document["error"]["code"]) == (1, "ERR_LEDGER")


def test_a_python_without_sqlite_fails_no_run_and_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_sqlite3", None)
    ran = cli(*MOCK, "x", env={"THEORYCTL_LEDGER": "mock"})
    assert (ran.status, "this run is not in the ledger: " in ran.err) == (0, True), ran.err
    assert cli("runs", "list", "--json").document["error"]["code"] == "ERR_LEDGER"


def test_a_folder_that_cannot_be_written_fails_no_run(ask: Ask, cli: Cli, state: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state_dir = {"THEORYCTL_STATE_DIR": str(tmp_path / "file" / "state")}
    ran = ask(env=state_dir)
    assert (ran.status, "this run is not in the ledger: " in ran.err) == (0, True), ran.err
    hint = cli("runs", "list", "--json", env=state_dir).document["error"]["hint"]
    assert hint == f"ls -ld {tmp_path}"  # the innermost folder that there is


def test_costs_are_drawn_as_bars_at_a_terminal_and_not_through_a_pipe(
    cli: Cli, state: Path, environment: dict[str, str]
) -> None:
    fill(state, [(FIRST, "a/x", 0.5), (SECOND, "b/y", 0.25)])
    assert "█" not in cli("runs", "cost").out
    drawn = cli("runs", "cost", env={"FORCE_COLOR": "1", "COLUMNS": "120"}).out
    bars = [line.count("█") for line in drawn.splitlines() if "█" in line]
    assert bars == [20, 10]


@pytest.mark.parametrize(("columns", "longest"), [(120, 20), (80, 7), (78, 5), (77, 0), (30, 0)])
def test_a_bar_is_as_long_as_the_terminal_leaves_room_and_is_never_broken(
    columns: int, longest: int, cli: Cli, state: Path
) -> None:
    fill(state, [(FIRST, "a/a-model-of-24-letters.", 0.5), (SECOND, "b/y", 0.25)])
    drawn = cli("runs", "cost", env={"FORCE_COLOR": "1", "COLUMNS": str(columns)}).out.splitlines()
    assert max(line.count("█") for line in drawn) == longest
    assert all(any(letter.isalnum() for letter in line) for line in drawn if "█" in line)


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("list", "--model", "nobody/x"),
        ("show", "last"),
        ("show", "run_x"),
        ("cost",),
        ("cost", "--by", "day,model,ref,mode,source"),
        ("diff", "last", "run_x"),
        ("report", "--html", "runs.html"),
        ("prune",),
        ("path",),
    ],
    ids=" ".join,
)
def test_what_a_command_says_as_json_fits_the_published_schema(
    command: tuple[str, ...], cli: Cli, state: Path, environment: dict[str, str]
) -> None:
    write(state, [row(day(), started_at=f"{day()}T00:00:00.000Z", run_id="run_x"), row(day(), code="ERR_TIMEOUT")])
    environment["THEORYCTL_LEDGER"] = "mock,content"
    cli(*MOCK, "Say hello.")
    ran = cli("runs", *command, "--json")
    assert ran.status == 0, ran.err
    SCHEMA.validate(ran.document)
    assert not SCHEMA.is_valid({**ran.document, "more": 1})


def test_a_line_of_an_export_is_a_run_of_the_published_schema(cli: Cli, state: Path) -> None:
    write(state, [row(day()), row(day(), cost=None)])
    for line in cli("runs", "export").out.splitlines():
        SCHEMA.validate({"schema": "theoryctl.runs/v1", "total": 1, "runs": [json.loads(line)]})


@pytest.mark.parametrize("command", ["list", "cost", "show", "replay", "diff a b"])
def test_an_empty_ledger_says_that_it_is_empty_and_what_fills_it(command: str, cli: Cli) -> None:
    ran = cli("runs", *command.split())
    assert "the ledger is empty: runs in real mode fill it" in ran.err
    assert "THEORYCTL_LEDGER" in ran.err


def test_the_page_and_the_schema_name_everything_that_writes_a_row() -> None:
    page = (ROOT / "docs/runs.md").read_text()
    (told,) = (line for line in page.splitlines() if line.startswith("| `source` |"))
    described = json.loads((ROOT / "docs/runs.schema.json").read_text())["$defs"]["run"]["properties"]["source"]
    assert [source for source in get_args(Source) if f"`{source}`" not in told] == []
    assert described["description"] == ", ".join(get_args(Source))


def test_a_filter_that_is_no_utf_8_means_no_run_and_a_limit_may_be_any_number(cli: Cli, state: Path) -> None:
    write(state, [row(day())])
    assert rows(cli, "--model", "a/\udcff") == []
    assert cli("runs", "show", "\udcff").err.startswith("error ERR_USAGE: the ledger has no run")
    assert len(rows(cli, "--limit", str(10**20))) == 1


def test_a_report_in_a_folder_that_is_not_there_is_hinted_to_make_it(cli: Cli, working_folder: Path) -> None:
    error = cli("runs", "report", "--html", "no/such/page.html", "--json").document["error"]
    assert (error["code"], error["hint"]) == ("ERR_OUTPUT", "mkdir -p no/such")
