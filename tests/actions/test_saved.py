"""Outputs of `local run` that are saved: into a folder, behind a prefix, and the first one into a file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema_rs
import pytest

from tests.actions.test_run import RUN, SCHEMA, answer, error
from tests.conftest import Cli, messages
from theoryctl.requests.result_folder import ResultFolder
from theoryctl_providers.contract import sha256


def test_save_dir_writes_each_output_and_names_the_files(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*RUN, "--save-dir", str(tmp_path / "a" / "b"), "--json")
    jsonschema_rs.validate(SCHEMA, ran.document)
    for output in ran.document["outputs"]:
        data = Path(output["path"]).read_bytes()
        assert (output["size"], output["digest"]) == (len(data), sha256(data))
        assert "text" not in output
    names = [path.name for path in (tmp_path / "a" / "b").iterdir()]
    assert sorted(names) == ["answer.txt", "finish_reason.txt", "outputs.json"]


def test_save_dir_has_an_index_and_the_id_of_the_run_in_its_name(cli: Cli, tmp_path: Path) -> None:
    envelope = cli(*RUN, "--save-dir", str(tmp_path / "{run_id}" / "x"), "--json").document
    folder = tmp_path / envelope["run_id"] / "x"
    index = json.loads((folder / "outputs.json").read_text())
    assert (index["schema"], index["run_id"], index["model"]) == (
        "theoryctl.outputs/v1",
        envelope["run_id"],
        envelope["model"],
    )
    assert [output["path"] for output in index["outputs"]] == ["answer.txt", "finish_reason.txt"]
    assert [str(folder / output["path"]) for output in index["outputs"]] == [o["path"] for o in envelope["outputs"]]


def test_a_prefix_begins_the_path_of_each_output_and_of_the_index(cli: Cli, tmp_path: Path) -> None:
    envelope = cli(*RUN, "--write-prefix", f"{tmp_path}/out/{{run_id}}-", "--json").document
    names = [f"{envelope['run_id']}-{name}" for name in ("answer.txt", "finish_reason.txt", "outputs.json")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert [output["path"] for output in envelope["outputs"]] == [f"{tmp_path}/out/{name}" for name in names[:2]]
    index = json.loads((tmp_path / "out" / names[2]).read_text())
    assert [output["path"] for output in index["outputs"]] == names[:2]


def test_the_first_output_is_saved_to_a_file_and_still_shown(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*RUN, "--save-first", f"{tmp_path}/new/hello.txt", "--save-dir", f"{tmp_path}/all", "--json")
    assert (tmp_path / "new/hello.txt").read_text() == (tmp_path / "all/answer.txt").read_text()
    assert ran.status == 0
    shown = cli(*RUN, "--save-first", f"{tmp_path}/new/hello.txt")
    assert shown.out == (tmp_path / "new/hello.txt").read_text() + "\n"


def test_the_first_output_of_a_choice_of_tools_is_the_calls(cli: Cli, tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    inputs = messages("hi", tools=[tool], tool_choice="required")
    ran = cli(*RUN, "--save-first", f"{tmp_path}/calls.json", "--inputs-json", inputs)
    assert ran.status == 0, ran.err
    assert json.loads((tmp_path / "calls.json").read_text())[0]["name"] == "look"


@pytest.mark.parametrize(
    "flags", [("--save-dir", "a", "--write-prefix", "b"), ("--save-first", "/"), ("--save-first", "/dev/null")]
)
def test_places_that_cannot_be_saved_to_are_refused_before_anything_is_asked(cli: Cli, flags: tuple[str, ...]) -> None:
    ran = cli(*RUN, *flags, "--json")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")


def test_save_dir_leaves_nothing_behind_when_the_run_fails(cli: Cli, tmp_path: Path) -> None:
    assert cli(*RUN, "--save-dir", str(tmp_path / "new"), "--inputs-json", "{}").status == 3
    assert not (tmp_path / "new").exists()


def test_save_dir_on_a_full_disk_is_err_output_and_leaves_no_half(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "finish_reason.txt").mkdir()  # what cannot be replaced stands for what cannot be written
    ran = cli(*RUN, "--save-dir", str(folder), "--json")
    assert (ran.status, error(ran.document)["code"]) == (1, "ERR_OUTPUT")
    assert [path.name for path in folder.iterdir()] == ["finish_reason.txt"]
    # What was answered, and paid for, is not lost.
    assert answer(ran.document).startswith("Mock answer")
    assert ran.document["model"] == "openai/gpt-4o-mini"


def test_a_file_that_cannot_be_saved_is_told_by_the_path_that_was_typed(cli: Cli, working_folder: Path) -> None:
    (working_folder / "taken").write_text("")
    assert "ERR_USAGE: --save-first taken/a.txt: " in cli(*RUN, "--save-first", "taken/a.txt").err


def test_runs_that_share_a_folder_do_not_take_each_others_probe_of_it(tmp_path: Path) -> None:
    def enter(_: int) -> None:
        with ResultFolder("--save-dir", str(tmp_path)):
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(400)))
    assert list(tmp_path.iterdir()) == []
