"""Certificates: TLS for a server whose owner has none, and the fingerprint that an invitation carries.

Promise: a self-made key never leaves the state directory and is readable by its owner alone. Clients trust exactly
this certificate, by its fingerprint, so nobody's signature is needed on it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
from pathlib import Path

DAYS = 825  # the longest that common TLS clients accept


class NoCertificate(RuntimeError):
    """There is no certificate and none can be made. The text says what to do."""


def self_made(state: Path, name: str) -> tuple[Path, Path]:
    """Paths of certificate and key in `state`, made on first use with the `openssl` program."""
    certificate, key = state / "server.crt", state / "server.key"
    if certificate.exists() and key.exists():
        return certificate, key
    program = shutil.which("openssl", path="/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None:
        raise NoCertificate(
            "TLS needs a certificate and the program openssl, which would make one, is not installed. Install it, or "
            "set Server.certfile and Server.keyfile."
        )
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"]
    command += ["-days", str(DAYS), "-subj", f"/CN={_common_name(name)}", "-keyout", key, "-out", certificate]
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    previous = os.umask(0o077)
    try:
        subprocess.run(command, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        raise NoCertificate(
            f"openssl could not make a certificate: {error.stderr.decode('utf-8', 'replace')}"
        ) from None
    finally:
        os.umask(previous)
    return certificate, key


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(certificate, key)
    return made


def fingerprint(certificate: Path) -> str:
    """SHA-256 of the (first) certificate in the file."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(_first(certificate.read_text()))).hexdigest()


def _first(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(end) + len(end)]


def _common_name(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter in "-_.")[:60] or "cleanroom"
