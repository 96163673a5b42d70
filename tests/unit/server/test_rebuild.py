"""Rebuilding: what may be in a message, and what the owner's rules keep back."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets import TraitError
from traitlets.config import Config

from cleanroom_kernel.audit import Drop
from cleanroom_kernel.server.output import Meter, Note, OutputPolicy, Rebuilt, rebuild
from cleanroom_kernel.server.shapes import REQUESTS, SHAPES

RULES = OutputPolicy().snapshot()

HONEST = {
    "status": {"execution_state": "idle"},
    "execute_input": {"code": "1", "execution_count": 1},
    "stream": {"name": "stdout", "text": "x"},
    "display_data": {"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": "d"}},
    "update_display_data": {"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": "d"}},
    "execute_result": {"data": {"text/plain": "x"}, "metadata": {}, "execution_count": 1, "transient": {}},
    "clear_output": {"wait": True},
    "error": {"ename": "E", "evalue": "e", "traceback": ["t"]},
    "comm_open": {"comm_id": "c", "target_name": "t", "data": {"state": {}}},
    "comm_msg": {"comm_id": "c", "data": {"method": "update"}},
    "comm_close": {"comm_id": "c", "data": {}},
    "input_request": {"prompt": "?", "password": False},
    "execute_reply": {
        "status": "ok",
        "execution_count": 1,
        "payload": [{"source": "page", "data": {"text/plain": "x"}, "start": 0}],
        "user_expressions": {"a": {"status": "ok", "data": {"text/plain": "2"}, "metadata": {}}},
    },
    "complete_reply": {
        "status": "ok",
        "matches": ["a"],
        "cursor_start": 0,
        "cursor_end": 1,
        "metadata": {
            "_jupyter_types_experimental": [{"start": 0, "end": 1, "text": "a", "type": "function", "signature": "()"}]
        },
    },
    "inspect_reply": {"status": "ok", "found": True, "data": {"text/plain": "x"}, "metadata": {}},
    "is_complete_reply": {"status": "incomplete", "indent": "  "},
    "history_reply": {"status": "ok", "history": [[0, 1, "a"], [0, 2, ["b", "c"]]]},
    "comm_info_reply": {"status": "ok", "comms": {"c": {"target_name": "t"}}},
    "create_subshell_reply": {"status": "ok", "subshell_id": "s"},
    "delete_subshell_reply": {"status": "ok"},
    "list_subshell_reply": {"status": "ok", "subshell_id": ["s"]},
}


def build(kind, content, rules=RULES, **keywords):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return rebuild(rules, SHAPES[kind].channel, kind, data, **keywords)


def policy(**traits):
    return OutputPolicy(config=Config({"OutputPolicy": traits})).snapshot()


def test_there_is_an_honest_example_of_every_shape():
    assert set(HONEST) == set(SHAPES)


@pytest.mark.parametrize("kind", SHAPES)
def test_an_honest_message_is_rebuilt_as_it_was(kind):
    rebuilt = build(kind, HONEST[kind])
    assert json.loads(rebuilt.content) == HONEST[kind]
    assert rebuilt.notes == ()


@pytest.mark.parametrize("kind", SHAPES)
def test_a_field_that_the_shape_does_not_name_does_not_pass(kind):
    assert b"LEAK" not in build(kind, {**HONEST[kind], "more": "LEAK"}).content


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("wrong", [7, "LEAK", None, ["LEAK"], {"LEAK": "LEAK"}, [[["LEAK"]]], -1, 2**70])
def test_a_value_of_the_wrong_type_does_not_pass(kind, wrong):
    """Unless that type is right: then it is no leak but the message's content."""
    for field, right in HONEST[kind].items():
        rebuilt = build(kind, {**HONEST[kind], field: wrong})
        if rebuilt.content is not None and not rebuilt.notes:
            assert type(json.loads(rebuilt.content).get(field)) in (type(right), type(None))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("status", {"execution_state": "LEAK"}),
        ("status", {"execution_state": "restarting"}),
        ("status", {"execution_state": "starting"}),
        ("stream", {"name": "LEAK", "text": ""}),
        ("execute_reply", {"status": "LEAK"}),
        ("is_complete_reply", {"status": "LEAK"}),
        ("execute_reply", {"status": "ok", "payload": [{"source": "edit_magic", "filename": "LEAK"}]}),
        ("complete_reply", {"status": "ok", "metadata": {"_jupyter_types_experimental": [{"LEAK": 1}]}}),
    ],
)
def test_a_choice_outside_its_list_does_not_pass(kind, content):
    rebuilt = build(kind, content)
    assert b"LEAK" not in (rebuilt.content or b"")
    assert [note.why for note in rebuilt.notes] == [Drop.MALFORMED]


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if kind.endswith("_reply")])
def test_a_reply_that_cannot_pass_is_replaced(kind):
    """The client would wait for it for ever."""
    for content in (b"no JSON", b"[]", None):
        rebuilt = rebuild(RULES, SHAPES[kind].channel, kind, content)
        assert json.loads(rebuilt.content)["ename"] == "CleanRoomRefusal"


def test_a_message_on_the_wrong_channel_or_of_no_known_kind_does_not_pass():
    for channel, kind in (("shell", "stream"), ("iopub", "execute_reply"), ("iopub", "cleanroom_artifact")):
        rebuilt = rebuild(RULES, channel, kind, b"{}")
        assert rebuilt.notes[0].why is Drop.MESSAGE_TYPE
        assert b"stdout" not in (rebuilt.content or b"")


def test_deep_nesting_is_malformed_and_no_crash():
    depth = 100_000
    content = b'{"comm_id":"c","data":{"x":' + b"[" * depth + b"]" * depth + b"}}"
    assert build("comm_msg", content).notes == (Note(Drop.MALFORMED, "comm_msg"),)


def test_text_that_is_no_utf8_passes_with_replacements():
    rebuilt = build("stream", b'{"name":"stdout","text":"a\xffb"}')
    assert json.loads(rebuilt.content)["text"] == "a\ufffdb"


@given(st.binary(max_size=100), st.sampled_from(sorted(SHAPES)))
def test_no_bytes_raise(content, kind):
    rebuild(RULES, SHAPES[kind].channel, kind, content, content, [content])


# -- MIME types, metadata, buffers ------------------------------------------------------------------------------------
def test_allowed_types_pass_and_others_are_named():
    data = {"text/plain": "x", "application/x": "LEAK", "bad name\n": "LEAK"}
    rebuilt = build("display_data", {"data": data, "metadata": {}, "transient": {}})
    assert json.loads(rebuilt.content)["data"] == {"text/plain": "x"}
    assert rebuilt.notes == (Note(Drop.MIME_TYPE, "application/x"), Note(Drop.MIME_TYPE, "an unreadable name"))
    assert rebuilt.notes[0].sentence == "[clean room: output of type application/x dropped by the owner's policy]"


def test_an_output_of_no_allowed_type_is_dropped_and_an_empty_one_is_not():
    assert build("display_data", {"data": {"application/x": "x"}}).content is None
    assert build("display_data", {"data": {}}).content is not None


def test_types_are_looked_at_wherever_they_occur():
    rules = policy(mime_types=["text/plain"])
    reply = {
        "status": "ok",
        "payload": [{"source": "page", "data": {"text/html": "LEAK"}, "start": 0}],
        "user_expressions": {"a": {"status": "ok", "data": {"text/html": "LEAK"}, "metadata": {"cleanroom": "LEAK"}}},
    }
    assert b"LEAK" not in build("execute_reply", reply, rules).content
    inspected = {"status": "ok", "found": True, "data": {"text/html": "LEAK", "text/plain": "x"}, "metadata": {}}
    assert b"LEAK" not in build("inspect_reply", inspected, rules).content


def test_only_json_types_may_hold_more_than_text():
    data = {"text/plain": {"a": "LEAK"}, "application/json": {"a": 1}}
    assert json.loads(build("display_data", {"data": data}).content)["data"] == {"application/json": {"a": 1}}


def test_metadata_of_our_own_name_cannot_come_from_the_interpreter():
    content = {"data": {"text/plain": "x"}, "metadata": {"cleanroom": "LEAK", "isolated": True}}
    assert json.loads(build("display_data", content).content)["metadata"] == {"isolated": True}


def test_of_a_messages_metadata_only_the_widgets_version_passes():
    kept = build("comm_open", HONEST["comm_open"], metadata=b'{"version":"2.1.0","more":"LEAK"}')
    assert kept.metadata == {"version": "2.1.0"}
    for metadata in (b'{"version":"LEAK"}', b'{"version":7}', b"[]", b"no JSON"):
        assert build("comm_open", HONEST["comm_open"], metadata=metadata).metadata == {}
    assert build("stream", HONEST["stream"], metadata=b'{"version":"2.1.0"}').metadata == {}


def test_buffers_pass_with_widgets_only():
    assert build("comm_msg", HONEST["comm_msg"], buffers=[b"x"]).buffers == (b"x",)
    stripped = build("stream", HONEST["stream"], buffers=[b"x"])
    assert (stripped.buffers, stripped.notes) == ((), (Note(Drop.BUFFERS, "stream"),))


def test_buffers_count_towards_a_messages_size():
    rules = policy(max_message_bytes=2000)
    assert build("comm_msg", HONEST["comm_msg"], rules, buffers=[b"x" * 3000]).notes == (Note(Drop.SIZE, "comm_msg"),)


# -- one cell's allowance ---------------------------------------------------------------------------------------------
def spend(meter, rules, size, kind="stream"):
    return meter.admit(rules, SHAPES[kind], Rebuilt(b"x" * size, {}, (), ()))


def test_a_cell_may_put_out_its_bytes_and_is_told_once():
    meter, rules = Meter(), policy(max_cell_bytes=2048)
    outcomes = [spend(meter, rules, 1000) for _ in range(4)]
    assert [passes for passes, _ in outcomes] == [True, True, False, False]
    assert [note is not None for _, note in outcomes] == [False, False, True, False]
    assert meter.take_notes() == [(Note(Drop.SIZE, "everything"), 2)]
    assert meter.take_notes() == []


def test_a_cell_may_put_out_its_number_of_messages():
    meter, rules = Meter(), policy(max_cell_messages=2)
    assert [spend(meter, rules, 1)[0] for _ in range(3)] == [True, True, False]


def test_the_end_of_a_cell_passes_whatever_it_has_put_out():
    meter, rules = Meter(), policy(max_cell_messages=1)
    spend(meter, rules, 1)
    assert spend(meter, rules, 1, "status")[0]


def test_a_flood_of_states_ends_too():
    meter = Meter()
    assert [spend(meter, RULES, 1, "status")[0] for _ in range(1001)][-1] is False


def test_kinds_of_drops_are_bounded():
    """Untrusted code chooses the names."""
    meter = Meter()
    for i in range(1000):
        meter.admit(RULES, SHAPES["stream"], Rebuilt(None, {}, (), (Note(Drop.MIME_TYPE, f"a/{i}"),)))
    notes = dict(meter.take_notes())
    assert len(notes) <= 51
    assert sum(notes.values()) == 1000


# -- the policy's page ------------------------------------------------------------------------------------------------
def test_every_setting_has_a_help_text():
    assert all(len(trait.help) > 30 for trait in OutputPolicy.class_traits(config=True).values())


def test_a_kind_of_message_that_does_not_exist_is_refused_by_name():
    with pytest.raises(TraitError, match="made_up"):
        policy(message_types=["status", "made_up"])


def test_a_kind_that_is_not_listed_does_not_pass():
    rules = policy(message_types=["status"])
    assert build("stream", HONEST["stream"], rules).notes == (Note(Drop.MESSAGE_TYPE, "stream"),)


def test_rules_are_frozen():
    with pytest.raises(AttributeError):
        RULES.max_cell_bytes = 1
    assert msgspec.structs.asdict(RULES)["mime_types"][0] == "text/plain"


def test_nothing_that_the_server_answers_itself_is_passed_on():
    passed = set().union(*REQUESTS.values())
    assert not passed & {"kernel_info_request", "interrupt_request", "shutdown_request", "debug_request"}
