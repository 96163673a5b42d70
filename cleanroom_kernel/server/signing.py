"""Signing: the owner's key, by which whoever holds a released file can tell that it is one.

Promise: the private key stays in the state directory, readable by its owner alone. It signs deliveries of files that
the vault announced on its own line, and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom_kernel.protocol.delivery import Delivery, Signed, signed_bytes
from cleanroom_kernel.protocol.release import Artifact, Receipt

_FILE = "signing.key"


class Signer:
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def of(cls, state: str | os.PathLike[str]) -> Signer:
        """The key in directory `state`, made on first use."""
        path = Path(state) / _FILE
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(made)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path} holds a key of another kind than Ed25519")
        return cls(key)

    @property
    def public(self) -> str:
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, artifact: Artifact, receipt: Receipt, room: str) -> Signed:
        delivery = Delivery(
            name=artifact.name,
            sha256=artifact.sha256,
            size=len(artifact.content),
            room=room,
            expert=receipt.expert,
            number=receipt.number,
            question=receipt.question,
            title=receipt.title,
            rules=receipt.rules,
            units=receipt.units,
            precision=receipt.precision,
            policy=receipt.policy,
            time=receipt.time,
            chain=receipt.chain,
            report=artifact.report,
        )
        return Signed(delivery, self.public, self._key.sign(signed_bytes(delivery)).hex())
