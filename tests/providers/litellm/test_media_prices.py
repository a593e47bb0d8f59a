"""Media in requests, and prices that are known only where usage tells the media apart."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl_providers.contract import Attachment
from theoryctl_providers.litellm.media_prices import has_known_price, media_asked

URL = "data:{};base64,AAAA"
NONE: frozenset[str] = frozenset()


def attached(media_type: str) -> Attachment:
    return Attachment(name="file", path="/nowhere", digest="sha256:0", media_type=media_type, size=1)


@pytest.mark.parametrize(
    ("part", "media"),
    [
        ({"type": "text", "text": "data:image/png;base64,AAAA"}, ()),
        ({"type": "image_url", "image_url": {"url": "https://example.com/a"}}, ("image",)),
        ({"type": "image_url", "image_url": {"url": URL.format("video/mp4")}}, ("audio", "video")),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, ("audio",)),
        ({"type": "file", "file": {"file_data": URL.format("application/pdf")}}, ("image",)),
        ({"type": "file", "file": {"file_data": URL.format("text/plain")}}, ()),
        ({"type": "file", "file": {"file_id": "gs://films/one", "format": "audio/ogg"}}, ("audio",)),
        ({"type": "file", "file": {"file_id": "file-1"}}, ("audio", "image", "video")),
        (attached("audio/mpeg"), ("audio",)),
        (attached("text/csv"), ()),
    ],
    ids=str,
)
def test_a_part_of_a_message_holds_the_media_of_its_file(part: Any, media: tuple[str, ...]) -> None:
    assert media_asked({"messages": [{"role": "user", "content": ["odd", part]}]}) == set(media)


def test_an_earlier_answer_in_sound_and_an_image_to_embed_are_media() -> None:
    assert media_asked({"messages": [{"role": "assistant", "content": None, "audio": {"id": "audio_1"}}]}) == {"audio"}
    assert media_asked({"input": ["words", URL.format("image/png")]}) == {"image"}


TEXT = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
IMAGES = {**TEXT, "input_cost_per_image": 0.01}


@pytest.mark.parametrize(
    ("facts", "details", "is_known"),
    [
        (TEXT, {}, True),
        ({**TEXT, "input_cost_per_image_token": 1e-6}, {}, True),
        ({**TEXT, "input_cost_per_image_token": 3e-6}, {}, False),
        ({**TEXT, "input_cost_per_image_token": 3e-6}, {"image_tokens": 0}, False),
        ({**TEXT, "input_cost_per_image_token": 3e-6}, {"image_tokens": 5}, True),
        (IMAGES, {"image_tokens": 5}, False),
        (IMAGES, {"image_count": 1}, True),
    ],
)
def test_images_with_a_price_of_their_own_have_a_known_one_where_they_are_counted(
    facts: dict[str, Any], details: dict[str, Any], is_known: bool
) -> None:
    assert has_known_price(facts, {"prompt_tokens_details": details}, (frozenset(("image",)), NONE)) == is_known


def test_images_in_an_answer_have_a_known_price_where_their_tokens_are_counted() -> None:
    facts, answered = {**TEXT, "output_cost_per_image_token": 3e-5}, (NONE, frozenset(("image",)))
    assert not has_known_price(facts, {"completion_tokens": 1300}, answered)
    assert has_known_price(facts, {"completion_tokens_details": {"image_tokens": 1290}}, answered)
