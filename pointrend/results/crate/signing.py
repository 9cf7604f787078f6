"""Signatures of a crate's manifest, made and checked by OpenSSH's ssh-keygen, offline (docs/decisions.md has why)."""

from __future__ import annotations

import subprocess
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path

from pointrend.errors import CheckFailed, MachineError, ResultsError
from pointrend.results.crate.verify_crate import MANIFEST

NAMESPACE = "pointrend-crate"  # a signature that was made for another purpose does not count
HEAD, FOOT = b"-----BEGIN SSH SIGNATURE-----\n", b"\n-----END SSH SIGNATURE-----\n"


def sign(key: Path, message: bytes) -> bytes:
    """The signature of ``message`` by the OpenSSH key in a file; a .pub file names a key in the agent.

    Raises:
        ResultsError: the key does not exist, is not a key, or needs a passphrase that no agent has.
        MachineError: there is no ssh-keygen.
    """
    if not key.is_file():
        raise ResultsError(f"the key {key} does not exist", f"make one: ssh-keygen -t ed25519 -f {key}")
    with tempfile.TemporaryDirectory(prefix="pointrend-") as folder:
        file = Path(folder) / "message"
        file.write_bytes(message)
        ran = _ssh_keygen("sign", "-f", str(key.resolve()), str(file))
        if ran.returncode == 0:
            return file.with_suffix(".sig").read_bytes()
    if "passphrase" in ran.stderr:
        do = f"run: ssh-add {key}, then name {key}.pub, which signs by the agent"
        raise ResultsError(f"the key {key} needs a passphrase", do)
    why = " ".join(ran.stderr.split()) or f"exit code {ran.returncode}"
    raise ResultsError(
        f"ssh-keygen cannot sign with {key}: {why}", "name a private key, or a .pub whose key is in ssh-agent"
    )


def public_key(key: Path | None) -> bytes:
    """The public key in a signature (PROTOCOL.sshsig of OpenSSH); empty without a key. Raises as :func:`sign` does."""
    if key is None:
        return b""
    signature = b64decode(sign(key, b"")[len(HEAD) : -len(FOOT)])
    start = len(b"SSHSIG") + 4  # after the version; four bytes with the key's length follow
    return signature[start : start + 4 + int.from_bytes(signature[start : start + 4])]


def signers(files: Mapping[str, bytes], allowed: Path | None) -> Iterator[str]:
    """Who signed each manifest among the ``files`` of a crate, by the allowed-signers file of ssh-keygen(1), in lines.

    Raises:
        CheckFailed: one is not signed, or not by a key in ``allowed``; or by the party whose crate it is.
        ResultsError: there is no file ``allowed``.
        MachineError: there is no ssh-keygen.
    """
    if allowed is not None and not allowed.is_file():
        do = f'write a line `NAME namespaces="{NAMESPACE}" ssh-ed25519 AAAA...` for each signer that you trust'
        raise ResultsError(f"{allowed} does not exist", do)
    maker = None
    for path in sorted(name for name in files if name.endswith(MANIFEST)):
        signature = files.get(f"{path}.sig")
        if allowed is None:
            yield f"{path}: {'not signed' if signature is None else 'signature not checked; use --signed-by'}"
            continue
        who = _signer(files[path], signature or b"", allowed)
        if who is None or who == maker:
            what = f"{path} is not signed by a{'nother' * bool(maker)} party in {allowed}"
            raise CheckFailed(what, "get the crate and the keys again from their sources")
        maker = maker or who
        yield f"{path}: signed by {who}"


def _signer(message: bytes, signature: bytes, allowed: Path) -> str | None:
    with tempfile.TemporaryDirectory(prefix="pointrend-") as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        by = "-f", str(allowed), "-s", str(file)
        found = _ssh_keygen("find-principals", *by).stdout.split()
        valid = (
            found
            and _is_plain(signature)
            and _ssh_keygen("verify", *by, "-I", found[0], message=message).returncode == 0
        )
        return found[0] if valid else None


def _is_plain(signature: bytes) -> bool:
    """Whether it is as ssh-keygen writes it, which also reads other line breaks and bits that mean nothing."""
    if not (signature.startswith(HEAD) and signature.endswith(FOOT)):
        return False
    body = signature[len(HEAD) : -len(FOOT)]
    text = b64encode(b64decode(body))
    return body == b"\n".join(text[at : at + 70] for at in range(0, len(text), 70))


def _ssh_keygen(way: str, *words: str, message: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run it without a terminal, so that it never waits for a passphrase."""
    command = ["ssh-keygen", "-Y", way, *(() if way == "find-principals" else ("-n", NAMESPACE)), *words]
    try:
        ran = subprocess.run(command, input=message, capture_output=True, start_new_session=True)  # noqa: S603 no shell
    except FileNotFoundError as missing:
        raise MachineError("ssh-keygen was not found", "install the OpenSSH client") from missing
    said, complained = (stream.decode(errors="replace") for stream in (ran.stdout, ran.stderr))
    return subprocess.CompletedProcess(command, ran.returncode, said, complained)
