"""Signatures of records: Ed25519 over the record, which holds the hashes of the notes.

The key lies in the user's data folder (``keys/signing.key``, 32 bytes in hexadecimal, readable by its owner only) and is
made when it is first asked for. A signature shows that a record and its notes are what the holder of a key signed; whose
key that is, only the holder can say, by publishing ``zhiyin log key``. Needs the extra ``sign`` (cryptography).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zhiyin.errors import RecordError
from zhiyin.files import data_folder, reason_of
from zhiyin.provenance.record import signed_part

METHOD = "ed25519"


def key_path() -> Path:
    """The file of the secret key."""
    return data_folder() / "keys" / "signing.key"


def public_key(*, make: bool = False) -> str:
    """The public key in hexadecimal (64 digits); made first with ``make``, RecordError where there is none."""
    if not key_path().exists() and not make:
        raise RecordError(
            "There is no signing key yet", expected=str(key_path()), received="nothing",
            hint="zhiyin log key --new makes one; so does the first --sign",
        )  # fmt: skip
    return _public(_secret_key())


def sign(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its ``signature``; makes a key where there is none."""
    secret = _secret_key()
    signature = secret.sign(signed_part(record)).hex()
    return {**record, "signature": {"method": METHOD, "public_key": _public(secret), "signature": signature}}


def check_signature(record: Mapping[str, Any], key: str = "") -> str:
    """The public key by which a record is signed, "" where it is not. RecordError where the signature does not hold.

    key: the public key that must have signed ("" = any).
    """
    told = record.get("signature")
    if told is None:
        if key:
            raise RecordError("The record is not signed", expected=f"a signature of {key}", received="none")
        return ""
    crypto = _library()
    try:
        named, value = str(told["public_key"]), bytes.fromhex(told["signature"])
        public = crypto.Ed25519PublicKey.from_public_bytes(bytes.fromhex(named))
        if told["method"] != METHOD:
            raise ValueError(f"method {told['method']!r}")
    except (KeyError, TypeError, ValueError) as problem:
        raise RecordError(
            "The signature cannot be read", expected=f"{METHOD} with public_key and signature in hexadecimal",
            received=f"{type(problem).__name__}: {problem}", hint="it was damaged or altered; the record itself can still be read",
        ) from None  # fmt: skip
    if not _holds(public, value, signed_part(record)):
        raise RecordError(
            "The signature does not fit the record",
            expected=f"the record that {named[:16]}… signed",
            received="another one",
            hint="the record was altered after it was signed",
        )
    if key and named.lower() != key.strip().lower():
        raise RecordError("The record is signed by somebody else", expected=key, received=named)
    return named


def _holds(public: Any, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _secret_key() -> Any:
    crypto, path = _library(), key_path()
    if not path.exists():
        _make_key(path, crypto.Ed25519PrivateKey.generate().private_bytes_raw().hex())
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="ascii").strip() if path.stat().st_size < 1000 else ""
        secret = crypto.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
    except (OSError, ValueError) as problem:
        raise RecordError(
            f"The signing key {path} cannot be read", expected="64 hexadecimal digits", received=reason_of(problem),
            hint="put back your copy, or move the file away: a new key is made then",
        ) from None  # fmt: skip
    if os.name == "posix" and mode & 0o077:
        raise RecordError(
            f"The signing key {path} can be read by others", expected="mode 600", received=f"mode {mode:o}",
            hint=f"chmod 600 {path}",
        )  # fmt: skip
    return secret


def _make_key(path: Path, text: str) -> None:
    """Writes a new key, never over another one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(text + "\n")
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        return  # another process was faster: its key is used
    except OSError as problem:
        raise RecordError(
            f"The signing key {path} cannot be made", expected="a data folder that may be written to",
            received=reason_of(problem), hint="set ZHIYIN_HOME to a folder of yours",
        ) from None  # fmt: skip


def _public(secret: Any) -> str:
    return secret.public_key().public_bytes_raw().hex()


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise RecordError(
            "Signing needs the sign extra", expected="cryptography installed", received="no cryptography",
            hint="pip install 'zhiyin[sign]'",
        ) from None  # fmt: skip
    return ed25519
