"""Jupyter's signatures and headers, against jupyter_client's own implementation."""

from __future__ import annotations

import pytest
from jupyter_client.session import Session

from cleanroom_kernel.protocol.http import WORDS, Problem, error_reply
from cleanroom_kernel.protocol.jupyter import Header, Signer, encode, read_header, read_parent, split
from cleanroom_kernel.protocol.websocket import BadMessage

PARTS = [encode(Header("id", "status")), b"{}", b"{}", b'{"execution_state":"idle"}', b"buffer"]


def test_jupyter_client_reads_what_we_sign():
    session = Session(key=b"key")
    message = session.deserialize(Signer(b"key").close(PARTS)[1:])
    assert (message["msg_id"], message["content"]) == ("id", {"execution_state": "idle"})


def test_we_read_what_jupyter_client_signs():
    session = Session(key=b"key")
    message = session.msg("execute_request", {"code": "1"})
    routing, parts = Signer(b"key").open([b"client", *session.serialize(message)])
    assert (routing, read_header(parts[0]).msg_id) == ([b"client"], message["header"]["msg_id"])


def test_a_signature_is_good_once():
    signer, frames = Signer(b"key"), Signer(b"key").close(PARTS)
    signer.open(frames)
    with pytest.raises(BadMessage, match="before"):
        signer.open(frames)


@pytest.mark.parametrize("position", range(1, 6))
def test_a_changed_part_or_signature_is_refused(position):
    frames = Signer(b"key").close(PARTS)
    frames[position] += b" "
    with pytest.raises(BadMessage, match="signature"):
        Signer(b"key").open(frames)


@pytest.mark.parametrize("frames", [[], [b"x"], [b"<IDS|MSG>", b"sig", b"{}", b"{}", b"{}"]])
def test_frames_without_all_parts_are_refused(frames):
    with pytest.raises(BadMessage):
        split(frames)


def test_an_unknown_signature_scheme_is_an_error():
    with pytest.raises(ValueError, match="not available"):
        Signer(b"key", "hmac-none")


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"[]",
        b"{}",
        b'{"msg_id":1,"msg_type":"x"}',
        b'{"msg_id":"\xff","msg_type":"x"}',
        b'{"msg_id":"' + b"x" * 300 + b'","msg_type":"x"}',
        b" " * 20_000,
    ],
)
def test_what_is_no_header_is_refused(part):
    with pytest.raises(BadMessage):
        read_header(part)


def test_a_header_keeps_its_subshell_and_drops_what_it_does_not_know():
    header = read_header(b'{"msg_id":"a","msg_type":"b","subshell_id":"s","spy":"x"}')
    assert header.subshell_id == "s"
    assert b"spy" not in encode(header)
    assert b"subshell_id" not in encode(Header("a", "b"))


def test_an_empty_parent_is_no_request():
    assert read_parent(b"{}").key == ("", "")


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_has_a_name_and_says_what_to_do(problem):
    reply = error_reply(problem)
    assert reply["ename"].startswith("CleanRoom")
    assert reply["evalue"].endswith(".")
    assert len(reply["traceback"]) == 1
    assert set(WORDS) == set(Problem)
