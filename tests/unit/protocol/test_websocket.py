"""Frames on the websocket: what `pack` makes, `unpack` reads, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom_kernel.protocol.websocket import MOST_PARTS, Acknowledged, BadMessage, Gap, hear, pack, say, unpack

CHANNELS = ("shell", "control", "stdin", "iopub")


@given(st.sampled_from(CHANNELS), st.lists(st.binary(max_size=50), min_size=4, max_size=8))
def test_what_was_packed_is_unpacked(channel, parts):
    assert unpack(pack(channel, parts)) == (channel, parts)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_a_frame(data):
    try:
        channel, parts = unpack(data)
    except BadMessage:
        return
    assert pack(channel, parts) == data


@given(st.data())
def test_a_frame_with_a_changed_table_is_refused_or_another_frame(data):
    """No offset makes it read bytes twice, or bytes that are not there."""
    frame = bytearray(pack("shell", [b"head", b"parent", b"meta", b"content", b"buffer"]))
    position = data.draw(st.integers(0, 8 * 8 - 1))
    frame[position] = data.draw(st.integers(0, 255))
    try:
        channel, parts = unpack(bytes(frame))
    except BadMessage:
        return
    assert pack(channel, parts) == bytes(frame)


@pytest.mark.parametrize("parts", [[b"x"] * 3, [b""] * (MOST_PARTS + 1)])
def test_too_few_or_too_many_parts_are_refused(parts):
    with pytest.raises(BadMessage):
        unpack(pack("shell", parts))


def test_an_unknown_channel_is_refused():
    with pytest.raises(BadMessage, match="channel"):
        unpack(pack("backdoor", [b"{}"] * 4))


def test_the_layout_is_jupyters():
    """As jupyter_server writes it, so that ordinary clients can drive the server."""
    jupyter_server = pytest.importorskip("jupyter_server.services.kernels.connection.base")
    message = {"header": {"a": 1}, "parent_header": {}, "metadata": {}, "content": {"b": 2}}
    theirs = jupyter_server.serialize_msg_to_ws_v1(message, "shell", lambda value: json.dumps(value).encode())
    channel, parts = unpack(theirs)
    assert (channel, json.loads(parts[0]), json.loads(parts[3])) == ("shell", {"a": 1}, {"b": 2})
    assert jupyter_server.deserialize_msg_from_ws_v1(pack(channel, parts)) == (channel, parts)


@pytest.mark.parametrize("word", [Acknowledged(7), Gap(3)])
def test_words_about_the_line_are_heard_as_said(word):
    assert hear(say(word)) == word


@pytest.mark.parametrize("text", ["", "{}", '{"type":"gap"}', '{"type":"gap","missed":1,"more":2}', '{"type":"other"}'])
def test_other_words_are_refused(text):
    with pytest.raises(BadMessage):
        hear(text)
