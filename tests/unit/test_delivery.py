"""Receipts of released files: only the very file, with every word of its receipt, signed by this owner, is verified."""

import hashlib
import stat

import msgspec
import pytest

from cleanroom_kernel.cli.main import main
from cleanroom_kernel.kernel import connections
from cleanroom_kernel.kernel.artifacts import Announced, Shelf
from cleanroom_kernel.kernel.connections import Connection
from cleanroom_kernel.protocol.delivery import Delivery, NotVerified, read, verify
from cleanroom_kernel.protocol.release import Artifact, Receipt
from cleanroom_kernel.server.signing import Signer

CONTENT = b"a model"
ARTIFACT = Artifact("model.skops", hashlib.sha256(CONTENT).hexdigest(), CONTENT, (), "# LogisticRegression\n")
RECEIPT = Receipt(
    number=7, question="q" * 8, output_class="model", title="file of a model", rules=("leaves",), units="1,000-9,999",
    cells=3, suppressed=0, precision="4 digits", policy="standard", expert="ada", session="s", cell="c",
    time="2026-01-01T00:00:00Z", chain="c" * 64,
)  # fmt: skip


@pytest.fixture
def signer(tmp_path):
    return Signer.of(tmp_path / "state")


@pytest.fixture
def folder(tmp_path, signer):
    """An expert's folder with a delivered file and its receipt."""
    (tmp_path / "folder").mkdir()
    shelf = Shelf(tmp_path / "folder", tmp_path / "record.json")
    shelf.write(Announced(ARTIFACT.name, ARTIFACT.sha256, signed=signer.sign(ARTIFACT, RECEIPT, "ward")), CONTENT)
    return tmp_path / "folder"


def said(capsys, *arguments):
    code = main(["verify", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path, signer):
    path = tmp_path / "state" / "signing.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Signer.of(tmp_path / "state").public == signer.public
    assert Signer.of(tmp_path / "other").public != signer.public


def test_a_delivered_file_is_verified_by_the_owners_key(folder, signer, capsys):
    code, text = said(capsys, folder / "model.skops", "--key", signer.public, "--report")
    assert code == 0
    assert "is verified: released by room 'ward'" in text
    assert "release 7" in text
    assert "# LogisticRegression" in text


def test_a_connected_expert_needs_no_key(folder, signer, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    code, text = said(capsys, folder / "model.skops")
    assert code == 1
    assert "no room that you are connected to" in text
    connections.save(Connection("ward", "127.0.0.1", 1, "token", tls=False, signing_key=signer.public))
    assert said(capsys, folder / "model.skops")[0] == 0


def test_another_file_is_not_verified(folder, signer, capsys):
    (folder / "model.skops").write_bytes(CONTENT + b"!")
    code, text = said(capsys, folder / "model.skops", "--key", signer.public)
    assert code == 1
    assert "NOT verified. The file is not the one" in text


def test_another_owners_receipt_is_not_verified(folder, tmp_path, capsys):
    code, text = said(capsys, folder / "model.skops", "--key", Signer.of(tmp_path / "other").public)
    assert code == 1
    assert "somebody else" in text


@pytest.mark.parametrize("field", Delivery.__struct_fields__)
def test_every_word_of_a_receipt_is_signed(field, signer):
    signed = signer.sign(ARTIFACT, RECEIPT, "ward")
    value = getattr(signed.delivery, field)
    other = value + 1 if isinstance(value, int) else ("other",) if isinstance(value, tuple) else value + " "
    forged = msgspec.structs.replace(signed, delivery=msgspec.structs.replace(signed.delivery, **{field: other}))
    with pytest.raises(NotVerified, match="changed"):
        verify(forged, CONTENT, signer.public)


def test_what_is_no_receipt_or_key_is_said(folder, signer, capsys):
    (folder / "model.skops.receipt.json").write_text('{"delivery": 1}')
    assert "cannot be read" in said(capsys, folder / "model.skops", "--key", signer.public)[1]
    (folder / "model.skops.receipt.json").unlink()
    assert "There is no receipt" in said(capsys, folder / "model.skops", "--key", signer.public)[1]
    with pytest.raises(NotVerified, match="no owner's public key"):
        verify(signer.sign(ARTIFACT, RECEIPT, "ward"), CONTENT, "abc")


def test_a_receipt_reads_back_as_it_was_written(folder, signer):
    assert read((folder / "model.skops.receipt.json").read_bytes()) == signer.sign(ARTIFACT, RECEIPT, "ward")
