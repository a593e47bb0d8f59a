"""Hints are pasted: each is a command of ours that stands as it is."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, Cli
from tests.hints.pasting import MOCK, RUN, START, commands_in, hint_of, parse, paste

# -- the command that was typed, corrected --


@pytest.mark.parametrize(
    ("arguments", "wrong", "right"),
    [
        (("local", "run", "--ref", "llm/litelm@1", "--prompt", "it's", "--model", "openai/x"), "llm/litelm@1", REF),
        (("local", "run", "--ref", "LLM/mock", "--mode", "mock"), "LLM/mock", "llm/mock@1"),
        ((*RUN, "--mode", "moc", "--prompt", "a b", "--save-dir", "out"), "moc", "mock"),
        ((*RUN, "--promt", "x", "--mode", "mock"), "--promt", "--prompt"),
        ((*RUN, "--inputs", "it's.json", "--mode", "mock"), "--inputs", "--inputs-file"),
        ((*RUN, "--script", "answers.yaml", "--mode", "real", "--prompt", "x"), "real", "mock"),
        ((*RUN, "--attach", "a=note.txt", "--max-attachment", "9", "--prompt", "x"), "9", "19"),
        ((*RUN, "--script", "slow.yaml", "--timeout", "0.4", "--prompt", "x"), "0.4", "0.8"),
        (("local", "run", "--ref", "llm/mock@1", "--mode", "real", "--prompt", "x", "--stream"), "real", "mock"),
        ((*RUN, "--inputs-file", "ITS.json"), "ITS.json", "it's.json"),
        ((*RUN, "--prompt-file", "../wrok/notes.txt"), "../wrok/notes.txt", "../work/note.txt"),
        ((*RUN, "--script", "answer.yml", "--prompt", "x"), "answer.yml", "answers.yaml"),
        ((*RUN, "--env-file", "key.env", "--prompt", "x"), "key.env", "keys.env"),
        ((*RUN, "--attach", "a=note.txt", "--attach", "b=not.txt", "--prompt", "x"), "b=not.txt", "b=note.txt"),
        ((*RUN, "--manifests", "manfests", "--prompt", "x"), "manfests", "manifests"),
        (("manifest", "show", "llm/litelm@1"), "llm/litelm@1", REF),
        (("manifest", "validate", "mine/llm/moc@1.yml"), "mine/llm/moc@1.yml", "mine/llm/mock@1.yaml"),
        (("manifest", "validate", "llm/mock"), "llm/mock", "llm/mock@1"),
        (("manifest", "validate", "llm/mok@1"), "llm/mok@1", "llm/mock@1"),
        (("local", "run", "--ref", "litellm", "--prompt", "x"), "litellm", REF),
        ((*RUN, "--timeout", "5 mins", "--prompt", "x"), "5 mins", "5m"),
        (("local", "run", "--ref", "Mock@1", "--prompt", "x"), "Mock@1", "llm/mock@1"),
        ((*RUN, "--attach", "note.txt", "--prompt", "x"), "note.txt", "note=note.txt"),
        (("local", "start", "--ref", REF, "--runtime", "proces"), "proces", "process"),
        ((*RUN, "--runtime", "embeded", "--prompt", "x"), "embeded", "embedded"),
        ((*START, "--mode", "mok", "--max-attachment", "1MiB"), "mok", "mock"),
        (("local", "start", "--ref", REF, "--runtime", "docker", "--wait-timeout", "70"), "docker", "process"),
        (("local", "start", "--ref", MOCK, "--runtime", "docker", "--mode", "real", "--env-file", "keys.env"),
         "docker", "process"),
    ],
)  # fmt: skip
def test_what_was_typed_comes_back_corrected_with_every_other_word_and_works(
    cli: Cli, folder: Path, arguments: tuple[str, ...], wrong: str, right: str
) -> None:
    failed = cli(*arguments, "--json")
    (words,) = commands_in(hint_of(failed))
    assert sorted(words) == sorted(["theoryctl", *(right if word == wrong else word for word in arguments), "--json"])
    pasted = paste(cli, hint_of(failed))
    assert pasted.status == 0, pasted.err


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (("--inputs-file", "x"), f"theoryctl manifest show {REF}"),
        (("--inputs-file", "."), "ls -A ."),
        (("--script", "no such/folder/x.yaml"), "ls -A"),
        (("--script", "a.yaml"), "ls -A"),  # of slow.yaml the ending is near, and no more
        (("--env-file", "recordings/x"), "ls -A recordings"),
        (("--attach", "a=note.txt/x"), "ls -A"),
        (("--replay", "recording"), f"theoryctl local run --ref {REF} --replay recordings --json"),
        (("--manifests", "x"), "ls -A"),
    ],
)
def test_a_path_that_nothing_is_called_like_is_looked_for(
    cli: Cli, folder: Path, flags: tuple[str, ...], hint: str
) -> None:
    assert hint_of(cli(*RUN, *flags, "--json")) == hint


def test_a_start_with_a_daemon_of_another_machine_takes_another_runtime(cli: Cli) -> None:
    said = hint_of(cli("local", "start", "--ref", REF, "--json", env={"DOCKER_HOST": "ssh://me@elsewhere"}))
    assert sorted(said.split()) == sorted(f"theoryctl local start --ref {REF} --json --runtime process".split())


def test_a_real_start_without_docker_is_no_mock_without_docker(cli: Cli, folder: Path) -> None:
    start = ("local", "start", "--ref", MOCK, "--mode", "real", "--runtime", "docker", "--env-file", "keys.env")
    assert paste(cli, hint_of(cli(*start, "--oci", "a/b@sha256:" + "0" * 64, "--json"))).document["mode"] == "real"


@pytest.mark.parametrize("is_typed", [True, False])
def test_a_model_in_the_place_of_the_ref_is_taken_as_the_model(cli: Cli, is_typed: bool) -> None:
    env = {} if is_typed else {"THEORYCTL_REF": "openai/gpt-4o"}
    typed = ("--ref", "openai/gpt-4o") if is_typed else ()
    hint = hint_of(cli("local", "run", "hi", "--mode", "mock", *typed, "--json", env=env))
    assert paste(cli, hint, env=env).document["model"] == "openai/gpt-4o"


def test_a_file_in_the_place_of_the_prompt_is_given_by_the_flag_of_its_kind(cli: Cli, folder: Path) -> None:
    (folder / "a photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    for path in ("a photo.png", "note.txt", "it's.json"):
        assert paste(cli, hint_of(cli(*RUN, "--mode", "mock", path, "--json"))).status == 0
    hint = hint_of(cli(*RUN, "--mode", "mock", "it's.json", "--system", "Be brief", "--json"))
    assert hint.startswith("write system into it's.json, then: theoryctl ")
    assert paste(cli, hint).status == 0


def test_a_batch_that_an_instance_cannot_take_is_asked_from_here(cli: Cli, folder: Path) -> None:
    (folder / "lines.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    assert cli(*START, "--mode", "mock", "--name", "mine").status == 0
    batch = ("local", "batch", "lines.jsonl", "--ref", REF, "--name", "mine", "--mode", "real", "--out", "rows")
    pasted = paste(cli, hint_of(cli(*batch, "--json")))
    assert pasted.document["error"]["code"] == "ERR_MISSING_SECRET"  # it is asked, and no more than a key is missing


@pytest.mark.parametrize(
    ("out", "hint"),
    [
        ("note.txt/a/b", "give another path"),
        ("note.txt/b", "give another path"),
        ("n ew/a/b", "mkdir -p 'n ew/a'"),
    ],
)
def test_a_folder_is_made_by_the_hint_where_it_can_be(cli: Cli, folder: Path, out: str, hint: str) -> None:
    (folder / "lines.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    batch = ("local", "batch", "lines.jsonl", "--ref", REF, "--mode", "mock", "--json")
    assert hint_of(cli(*batch, "--out", out)) == hint
    report = hint_of(cli(*batch, "--out", "rows", "--report", out))
    assert report.startswith("mkdir -p ") == hint.startswith("mkdir -p ")


@pytest.mark.parametrize(("named", "is_moved"), [("acme/pay@2", True), ("acme/pay@1", False)])
def test_a_manifest_whose_file_has_another_name_is_moved_only_as_its_ref_says(
    cli: Cli, folder: Path, named: str, is_moved: bool
) -> None:
    text = (ROOT / "manifests/llm/mock@1.yaml").read_text().replace("llm/mock@1", named)
    (folder / "mine/acme").mkdir()
    (folder / "mine/acme/pay.yaml").write_text(text)
    hint = hint_of(cli("manifest", "show", "acme/pay@2", "--manifests", "mine", "--json"))
    assert (hint == "mv mine/acme/pay.yaml mine/acme/pay@2.yaml") == is_moved


def test_a_folder_with_a_space_is_looked_at_by_the_hint(cli: Cli, folder: Path) -> None:
    (folder / "st ate").mkdir()
    (folder / "st ate/theoryctl").write_text("")
    hint = hint_of(cli("runs", "list", "--json", env={"XDG_STATE_HOME": str(folder / "st ate")}))
    assert shlex.split(hint) == ["ls", "-ld", str(folder / "st ate")]


def test_a_ref_in_the_place_of_the_prompt_is_taken_as_the_ref(cli: Cli) -> None:
    hint = hint_of(cli("local", "run", REF, "--json"))
    assert hint == f"theoryctl local run --ref {REF} --json"
    assert paste(cli, hint).status == 0


def test_a_pin_that_is_required_is_not_left_out_where_docker_is_not_there(cli: Cli) -> None:
    hint = hint_of(cli("local", "start", "--ref", REF, "--require-pin", "--json", env={"DOCKER_HOST": "unix:///none"}))
    assert hint == "start Docker; without --require-pin, --runtime process needs none"


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        ((*RUN, "--mode", "real"), ("--prompt", "Say hello")),
        (("image", "verify", "--ref", REF, "--env", "dev", "--tag", "2"), ("--runtime", "modal")),
    ],
)
def test_what_was_left_out_is_added(cli: Cli, folder: Path, arguments: tuple[str, ...], added: tuple[str, ...]) -> None:
    (words,) = commands_in(hint_of(cli(*arguments, "--json")))
    parse(words)
    assert sorted(words) == sorted(["theoryctl", *arguments, *added, "--json"])


# -- another command, with the flags that it takes too --


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("local", "url", "--ref", REF), f"theoryctl local start --ref {REF} --runtime process"),
        (("local", "stop"), "theoryctl local status"),
        (("image", "pin", "--ref", REF), f"theoryctl manifest export {REF} --to ./manifests"),
        ((*RUN, "--inputs-json", "{}"), f"theoryctl manifest show {REF} --input messages"),
        (
            (*RUN, "--prompt", "x", "-o", "tools=x", "-o", "stop=[]", "-o", "seed=x", "--manifests", "."),
            f"theoryctl manifest show {REF} --input stop --input tools --manifests .",
        ),
        ((*RUN, "--prompt", "x", "-o", "zzz=1"), f"theoryctl manifest show {REF} --schema"),
        (("manifest", "show", "a/b@1", "--manifests", "."), "theoryctl manifest list --manifests ."),
        (
            ("modal", "start", "--ref", REF, "--env", "prod", "--oci", "ghcr.io/a/b:1"),
            "theoryctl image resolve ghcr.io/a/b:1 --platform linux/amd64",
        ),
        (
            ("local", "run", "--ref", REF, "--runtime", "process", "--mode", "real", "--env-file", "keys.env",
             "--prompt", "x", "--manifests", "."),
            f"theoryctl local start --ref {REF} --runtime process --mode real --env-file keys.env --manifests .",
        ),
    ],
)  # fmt: skip
def test_another_command_takes_the_flags_that_it_has(
    cli: Cli, folder: Path, arguments: tuple[str, ...], hint: str
) -> None:
    assert hint_of(cli(*arguments, "--json")) == hint
    for words in commands_in(hint):
        parse(words)


def test_what_is_not_started_is_started_by_the_hint_and_then_runs(cli: Cli, folder: Path) -> None:
    run = (*RUN, "--runtime", "process", "--script", "answers.yaml", "--prompt", "x", "--json")
    assert paste(cli, hint_of(cli(*run))).status == 0
    assert cli(*RUN, "--runtime", "process", "--prompt", "x").out == "scripted\n"


def test_the_one_that_is_started_is_stopped_by_the_hint(cli: Cli, folder: Path) -> None:
    assert cli("local", "start", "--ref", REF, "--runtime", "process", "--mode", "mock").status == 0
    refused = cli("local", "stop", "--json")
    assert refused.document["error"]["message"] == "expected --ref or --all, got neither"
    assert paste(cli, hint_of(refused)).status == 0
    assert hint_of(cli("local", "stop", "--json")) == "theoryctl local status"


def test_a_broken_manifest_is_checked_again_by_the_hint_once_it_is_mended(cli: Cli, folder: Path) -> None:
    (folder / "a b.yaml").write_text("ref: x")
    hint = hint_of(cli("manifest", "validate", "a b.yaml", "--json"))
    (folder / "a b.yaml").write_bytes((ROOT / "manifests/llm/mock@1.yaml").read_bytes())
    assert paste(cli, hint).status == 0
