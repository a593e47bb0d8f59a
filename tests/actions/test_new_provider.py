"""`theoryctl manifest new`: a provider of one's own that works before a line is written."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.rows import ask, write_lines
from tests.conftest import ROOT, Cli
from theoryctl.actions.new_provider import new_provider
from theoryctl.refs import ProviderRef

REF = "acme/echo@1"


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_new_provider_is_valid_and_answers_the_same_embedded_and_as_a_process(theoryctl: Cli, tmp_path: Path) -> None:
    made = theoryctl("manifest", "new", REF)
    assert made.status == 0, made.err
    assert sorted(made.out.split()) == below(tmp_path / "work")
    assert f"next: theoryctl local run --ref {REF} --mode mock" in made.err
    assert theoryctl("manifest", "validate", f"manifests/{REF}.yaml").status == 0
    embedded = theoryctl("local", "run", "--ref", REF, "--mode", "mock", "--json")
    assert embedded.status == 0, embedded.err
    assert theoryctl("local", "start", "--ref", REF, "--runtime", "process").status == 0
    process = theoryctl("local", "run", "--ref", REF, "--mode", "mock", "--json")
    assert theoryctl("local", "stop", "--all").status == 0
    assert process.document["runtime"] == "process"
    assert process.document["outputs"] == embedded.document["outputs"]


def test_a_batch_here_asks_a_provider_that_is_not_installed(theoryctl: Cli, tmp_path: Path) -> None:
    theoryctl("manifest", "new", REF)
    write_lines(tmp_path / "work/lines.jsonl", [ask("one"), ask("two")])
    batch = ("local", "batch", "lines.jsonl", "--out", "rows.jsonl", "--ref", REF, "--mode", "mock", "--json")
    ran = theoryctl(*batch)
    assert (ran.status, ran.document.get("ok")) == (0, 2), ran.out
    write_lines(tmp_path / "work/lines.jsonl", [ask("three", no_such_input=1)])
    assert theoryctl(*batch).document["error"]["code"] == "ERR_INPUTS"
    assert theoryctl(*batch, "--estimate").document["error"]["code"] == "ERR_INPUTS"


def test_its_own_test_installs_pytest_and_passes_as_it_and_the_page_say(cli: Cli, tmp_path: Path) -> None:
    cli("manifest", "new", REF)
    told = "python -m pip install pytest && python -m pytest acme_echo"
    assert f'Run: {told}"' in (tmp_path / "work/acme_echo/tests/test_acme_echo.py").read_text()
    assert f"`{told}`" in (ROOT / "docs/providers.md").read_text()
    command = [sys.executable, *shlex.split(told.rpartition("python ")[2])]
    done = subprocess.run(command, cwd=tmp_path / "work", capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout


def test_real_mode_says_where_to_write_it_and_wants_its_key_first(theoryctl: Cli) -> None:
    theoryctl("manifest", "new", REF)
    real = ("local", "run", "--ref", REF, "--mode", "real", "--prompt", "Hi", "--json")
    assert theoryctl(*real).document["error"]["code"] == "ERR_MISSING_SECRET"
    error = theoryctl(*real, env={"ACME_API_KEY": "sk-canary-0123456789"}).document["error"]
    assert (error["code"], error["message"]) == ("ERR_PROVIDER", "real mode is not written yet")
    assert "acme_echo/src/acme_echo/__init__.py" in error["hint"]


def test_what_is_there_is_never_written_over(cli: Cli, tmp_path: Path) -> None:
    cli("manifest", "new", REF)
    before = below(tmp_path / "work")
    ran = cli("manifest", "new", REF, "--json")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    (tmp_path / "work/manifests/acme/echo@1.yaml").unlink()
    ran = cli("manifest", "new", REF, "--json")
    assert "acme_echo already exists" in ran.document["error"]["message"]
    assert below(tmp_path / "work") == [name for name in before if not name.endswith(".yaml")]
    assert cli("manifest", "new", "acme/echo@2").status == 0
    assert cli("manifest", "new", "theoryctl/providers@1", "--json").document["error"]["code"] == "ERR_USAGE"


@pytest.mark.parametrize("ref", ["9a.x/4b-c@1", "a-/b..c_@3", f"{'n' * 63}/{'m' * 63}@999999999"])
def test_any_ref_makes_a_provider_that_runs(theoryctl: Cli, ref: str) -> None:
    made = theoryctl("manifest", "new", ref, "--to", "deep/mine", "--json")
    assert made.status == 0, made.err
    ran = theoryctl(*made.document["next"].split()[1:], "--json")
    assert (ran.status, ran.document["ref"]) == (0, ref), ran.err
    assert theoryctl("manifest", "validate", made.document["files"][0]).status == 0


def test_what_cannot_be_written_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "work/taken").write_text("a file")
    ran = cli("manifest", "new", REF, "--to", "taken/manifests", "--json")
    assert (ran.status, ran.document["error"]["code"]) == (3, "ERR_MANIFEST")
    assert below(tmp_path / "work") == ["taken"]


@pytest.mark.parametrize(
    ("ref", "to"),
    [(REF, "."), (REF, "sub/.."), (REF, ".."), (REF, "my folder"), ("acme/null@1", "m"), ("a/0x1f@1", "m")],
)
def test_a_project_lies_beside_its_manifests_wherever_those_are(
    theoryctl: Cli, tmp_path: Path, ref: str, to: str
) -> None:
    below_there = tmp_path / "work/manifests"
    (below_there / "sub").mkdir(parents=True)
    made = theoryctl("manifest", "new", ref, "--to", to, "--json", cwd=below_there)
    assert made.status == 0, made.err
    files = [below_there / file for file in made.document["files"]]
    assert (below_there / to / f"{ref}.yaml").samefile(files[0])
    assert (below_there / to).resolve().parent == files[1].resolve().parents[1]
    ran = theoryctl(*shlex.split(made.document["next"])[1:], "--json", cwd=below_there)
    assert (ran.status, ran.document["ref"]) == (0, ref), ran.err


def test_no_folder_at_all_is_refused(cli: Cli) -> None:
    ran = cli("manifest", "new", REF, "--to", "", "--json")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")


def test_the_paths_are_those_it_was_told(tmp_path: Path) -> None:
    made = new_provider(ProviderRef.parse(REF), str(tmp_path / "mine"))
    assert made.files[0] == str(tmp_path / "mine/acme/echo@1.yaml")
    assert Path(made.files[1]).parent == tmp_path / "acme_echo"


def test_one_that_comes_before_another_of_its_ref_says_which(cli: Cli) -> None:
    ran = cli("manifest", "new", "llm/litellm@1")
    assert "no longer" in ran.err and "litellm@1.yaml" in ran.err
    assert "no longer" not in cli("manifest", "new", REF).err


def test_an_instance_says_that_its_code_or_manifest_has_changed_since_the_start(theoryctl: Cli, tmp_path: Path) -> None:
    theoryctl("manifest", "new", REF)
    start = ("local", "start", "--ref", REF, "--runtime", "process", "--json")
    restart = f"theoryctl local stop --ref {REF} && theoryctl local start --ref {REF} --runtime process"
    assert theoryctl(*start).status == 0
    assert theoryctl(*start).document["already_running"]
    assert restart not in theoryctl("local", "run", "--ref", REF, "Hi").err
    work = tmp_path / "work"
    for file, changed in (
        (work / "acme_echo/src/acme_echo/__init__.py", "code"),
        (work / f"manifests/{REF}.yaml", "manifest"),
    ):
        file.write_text(f"{file.read_text()}# changed\n")
        refused = theoryctl(*start).document["error"]
        assert refused["code"] == "ERR_DIGEST_DRIFT" and f"its {changed} has changed since" in refused["message"]
        assert refused["hint"].startswith(restart)
        ran = theoryctl("local", "run", "--ref", REF, "Hi")
        assert ran.status == 0 and f"older {changed}; to restart it: {restart}" in ran.err
        assert theoryctl("local", "status", "--json").document["instances"][0]["drift"] == changed
    assert theoryctl("local", "stop", "--all").status == 0
