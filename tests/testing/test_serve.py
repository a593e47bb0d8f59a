"""A server inside a test: its tokens never meet, and unmodified clients need no change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.mocks.written import recorded
from theoryctl_providers.contract import ProviderError, write_recordings
from theoryctl_providers.testing import serve
from theoryctl_providers.testing.instance import Instance, instances

SAY = [{"role": "user", "content": "Hi"}]


def rules(text: str, **more: Any) -> dict[str, Any]:
    return {"rules": [{"answers": [{"text": text}], **more}]}


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[Instance, Instance]]:
    with instances() as begin, begin() as one, begin() as other:
        yield one, other


def ask(instance: Instance, text: str = "Hi") -> str | None:
    with openai.OpenAI(base_url=f"{instance.url}/v1", api_key=instance.token, max_retries=0) as client:
        said = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    content: str | None = said.choices[0].message.content
    return content


def test_tokens_of_one_server_have_scripts_and_journals_of_their_own(two: tuple[Instance, Instance]) -> None:
    one, other = two
    one.script(rules("from one", name="greeting"))
    other.script(rules("from the other"))
    assert (ask(one, "a"), ask(other, "b"), ask(one, "c")) == ("from one", "from the other", "from one")
    assert [asked.body["messages"][0]["content"] for asked in one.requests] == ["a", "c"]
    assert [(asked.path, asked.status, asked.answered_by) for asked in one.requests] == [
        ("/v1/chat/completions", 200, "rule 1 (greeting)")
    ] * 2
    assert [asked.answered_by for asked in other.requests] == ["rule 1"]


def test_a_token_that_was_taken_back_is_refused() -> None:
    with instances() as begin:
        with begin() as instance:
            assert ask(instance)
        with pytest.raises(openai.AuthenticationError):
            ask(instance)


def test_clients_find_the_server_by_the_environment_which_is_as_before_afterwards() -> None:
    before = dict(os.environ)
    with serve(script=rules("Hello")) as instance:
        with openai.OpenAI() as client:
            said = client.chat.completions.create(model="gpt-4o-mini", messages=SAY)
        assert said.choices[0].message.content == "Hello"
        with anthropic.Anthropic() as claude:
            message = claude.messages.create(model="claude-3-5-haiku-latest", max_tokens=9, messages=SAY)  # type: ignore[arg-type]
        assert message.content[0].text == "Hello"  # type: ignore[union-attr]
        assert [asked.path for asked in instance.requests] == ["/v1/chat/completions", "/v1/messages"]
    assert dict(os.environ) == before


def test_a_script_that_is_none_says_where() -> None:
    with pytest.raises(ProviderError, match="rules"), serve(script={"rules": 5}):
        pass


def test_every_mistake_of_a_script_is_told_with_the_hint_and_the_near_word() -> None:
    wrong = {"when": {"usr": {}}, "answers": [{"txt": "a"}, "four"]}
    with serve() as instance, pytest.raises(ProviderError) as caught:
        instance.script({"rules": [wrong]})
    assert str(caught.value).splitlines() == [
        """the script: rules[0].answers[0].txt: expected 'text', got an unknown key""",
        'the script: rules[0].answers[1]: expected {text: "four"}, got "four"',
        """the script: rules[0].when.usr: expected 'user', got an unknown key""",
    ]
    assert caught.value.__notes__ == ["hint: change the script"]


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ([{"answers": [{"text": "a"}]}], "expected {rules: [{"),
        (7, "expected an object, got 7"),
        ({"rules": {1}}, "expected values of JSON, got one of type set"),
        ({"rules": [{"when": {"user": {"regex": "(?=x)"}}, "answers": [{"text": "a"}]}]}, "expected a regular"),
    ],
    ids=["rules alone", "a number", "a set", "a look-ahead"],
)
def test_a_script_that_cannot_be_one_is_refused_as_a_script(script: Any, problem: str) -> None:
    with serve() as instance, pytest.raises(ProviderError) as caught:
        instance.script(script)
    assert caught.value.code == "ERR_SCRIPT" and problem in caught.value.message


def test_a_script_may_be_made_of_any_mappings_and_sequences() -> None:
    with serve() as instance:
        instance.script(MappingProxyType({"rules": ({"answers": ({"text": "A"},)},)}))
        assert ask(instance) == "A"


def test_a_script_may_be_a_file_and_is_told_on_each_wire(tmp_path: Path, two: tuple[Instance, Instance]) -> None:
    file, (instance, _) = tmp_path / "script.yaml", two
    file.write_text("rules: [{name: all, answers: [{text: from a file}]}]")
    instance.script(file)
    said = [{"role": "user", "content": "Hi"}]
    asked: dict[str, Any] = {
        "/v1/chat/completions": {"model": "x", "messages": said},
        "/v1/responses": {"model": "x", "input": "Hi"},
        "/v1/messages": {"model": "x", "max_tokens": 9, "messages": said},
        "/api/chat": {"model": "x", "messages": said, "stream": False},
        "/openai/deployments/x/chat/completions": {"messages": said},
        "/v1beta/models/x:generateContent": {"contents": "Hi"},
    }
    before = len(instance.requests)
    for path, body in asked.items():
        answer = httpx.post(instance.url + path, json=body, headers={"authorization": f"Bearer {instance.token}"})
        assert "from a file" in answer.text, (path, answer.text)
    told = [(request.path, request.answered_by) for request in instance.requests[before:]]
    assert told == [(path, "rule 1 (all)") for path in asked]


@pytest.mark.parametrize("word", ["NO", "0644", "12:30", "1.10"])
def test_a_file_is_read_as_strictly_as_by_the_command_line(tmp_path: Path, word: str) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text(f"rules:\n- answers: [{{json: {{it: {word}}}}}]\n")
    with (
        pytest.raises(
            ProviderError,
            match=rf"answers.yaml:2:21: .*as YAML reads it, got '{word}', which YAML reads as",
        ),
        serve(script=file),
    ):
        pass
    file.write_text("rules:\n- answers: [{text: a, text: b}]\n")
    with (
        pytest.raises(ProviderError, match=r"answers.yaml:2:\d+: .*expected the key once, got it twice"),
        serve(script=file),
    ):
        pass


def test_several_scripts_are_tried_in_their_order() -> None:
    with serve() as instance:
        instance.script({"rules": [{"when": {"user": {"contains": "a"}}, "answers": [{"text": "A"}]}]}, rules("B"))
        assert (ask(instance, "a"), ask(instance, "b")) == ("A", "B")
        assert instance.unused == []


def test_a_replay_may_ignore_dates(tmp_path: Path) -> None:
    write_recordings(tmp_path, [recorded("It is 2026-01-01.", "Happy new year!")])
    with serve() as instance:
        instance.replay(tmp_path, ignore=["dates"])
        assert ask(instance, "It is 2026-11-26.") == "Happy new year!"


def test_a_script_answers_before_recordings_whichever_is_said_first(tmp_path: Path) -> None:
    write_recordings(tmp_path, [recorded("a", "recorded"), recorded("b", "recorded")])
    first = {"rules": [{"when": {"user": {"contains": "a"}}, "answers": [{"text": "scripted"}]}], "strict": True}
    with serve(script=first, replay=tmp_path) as instance:
        assert (ask(instance, "a"), ask(instance, "b"), instance.unused) == ("scripted", "recorded", [])
        instance.replay(tmp_path, ignore=["dates"])
        assert (ask(instance, "a"), instance.missed) == ("scripted", None)
    with serve(replay=tmp_path) as instance:
        instance.script(first)
        assert (ask(instance, "a"), ask(instance, "b")) == ("scripted", "recorded")


def test_recordings_that_are_told_later_leave_a_script_at_its_place(tmp_path: Path) -> None:
    write_recordings(tmp_path, [recorded("x", "recorded")])
    texts = ["one", "two", "three", "four"]
    with serve(script={"rules": [{"answers": [{"text": text} for text in texts]}]}) as instance:
        said = [ask(instance)]
        for ignore in (["dates"], [], ["ids"]):
            instance.replay(tmp_path, ignore=ignore)
            said.append(ask(instance))
        assert said == texts
        assert instance.unused == []


def test_a_pattern_that_ignores_nothing_is_warned_of_wherever_it_is_said(tmp_path: Path) -> None:
    write_recordings(tmp_path, [recorded("Hi", "recorded")])
    with pytest.warns(UserWarning, match="'a b' ignores nothing"), serve(replay=tmp_path) as instance:
        instance.replay(tmp_path, ignore=["a b"])
        assert ask(instance) == "recorded"


HIDDEN = {"rules": [*rules("all")["rules"], {"name": "hidden", "answers": [{"text": "never"}]}]}
WHY = "the script: rule 2 (hidden) never fires: rule 1 above it answers all that it fits"


def test_a_rule_that_never_fires_is_warned_of_at_the_end_and_where_the_script_is_strict_fails() -> None:
    with pytest.warns(UserWarning) as told, serve(script=HIDDEN) as instance:
        assert (ask(instance), instance.warnings) == ("all", [WHY])
    assert [(str(each.message), each.filename) for each in told] == [(WHY, __file__)]
    expected = f"expected an answer of each rule, got none of rule 2 (hidden)\n{WHY}"
    with pytest.raises(AssertionError) as failed, serve(script={**HIDDEN, "strict": True}) as instance:
        ask(instance)
    assert str(failed.value) == f"the script is strict; {expected}"


def test_a_word_that_nearly_says_another_is_warned_of() -> None:
    script = {"ignore": ["date"], "rules": [{"answers": [{"text": "a"}]}]}
    with pytest.warns(UserWarning, match="this ignores the word 'date'; did you mean 'dates'?"), serve(script=script):
        pass


def test_a_vendor_in_the_place_of_a_model_is_warned_of() -> None:
    script = {"rules": [{"when": {"model": "openai"}, "answers": [{"text": "a"}]}]}
    with pytest.warns(UserWarning, match="did you mean 'openai/\\*'?"), serve(script=script):
        pass


def test_an_error_in_the_block_is_not_hidden_by_a_rule_that_is_left() -> None:
    with pytest.raises(KeyError), serve(script={**rules("a"), "strict": True}):
        raise KeyError


def test_rules_beside_record_are_refused_and_what_to_ignore_is_not(tmp_path: Path) -> None:
    with serve(script={"ignore": ["dates"]}, replay=tmp_path, record="missing") as instance:
        with pytest.raises(ProviderError, match="script: expected ignore alone beside record, got rules or more"):
            instance.script(rules("lost"))
        assert instance.unused == []


def test_a_folder_that_cannot_be_made_is_told_before_a_vendor_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "afile"
    file.touch()
    for folder in (file, file / "inside"):
        with serve() as instance, pytest.raises(ProviderError, match="recordings cannot be written to"):
            instance.replay(folder, record="missing")


def test_what_is_recorded_goes_to_the_folder_as_it_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with serve(replay="new", record="missing"):
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == []
