"""Keys of operators: reading them, and signing with them.

Signing is plain Python and takes no constant time: who can measure how long this machine takes to sign may learn of the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from dataclasses import dataclass, field
from typing import Literal, Union

from .errors import InvalidArgumentError
from .verify_answer import BASE, L, P, Point, base64url, multiply

#: What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410).
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def encode(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class PrivateKey:
    """The seed of an Ed25519 key, or the secret that a node made for an operator."""

    algorithm: Literal["ed25519", "hmac-sha256"]
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.data) != 32:
            raise InvalidArgumentError(f"an operator's key has 32 bytes, this one {len(self.data)}")

    @staticmethod
    def generate() -> "PrivateKey":
        return PrivateKey("ed25519", os.urandom(32))

    def sign(self, message: bytes) -> bytes:
        if self.algorithm == "hmac-sha256":
            return hmac.new(self.data, message, hashlib.sha256).digest()
        scalar, prefix = _expanded(self.data)
        public = _encode_point(multiply(scalar, BASE))
        r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
        head = _encode_point(multiply(r, BASE))
        k = int.from_bytes(hashlib.sha512(head + public + message).digest(), "little") % L
        return head + ((r + k * scalar) % L).to_bytes(32, "little")

    @property
    def public_key(self) -> str:
        """What the administrator of a node registers, base64url."""
        if self.algorithm != "ed25519":
            raise InvalidArgumentError("a secret has no public key")
        return encode(_encode_point(multiply(_expanded(self.data)[0], BASE)))


def load_private_key(path: Union[str, "os.PathLike[str]"]) -> PrivateKey:
    """A key file as `cytoplex operator add --key` makes it, or an unencrypted Ed25519 key in PEM (PKCS #8)."""
    with open(path, "rb") as file:
        data = file.read(64 * 1024)
    pem = re.search(rb"-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----", data)
    if pem is not None:
        der = base64.b64decode(pem.group(1))
        if len(der) != len(_PKCS8) + 32 or not der.startswith(_PKCS8):
            raise InvalidArgumentError(f"{os.fspath(path)} is no Ed25519 key in PKCS #8")
        return PrivateKey("ed25519", der[len(_PKCS8) :])
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if isinstance(found, dict) and found.get("format") == 1:
        if isinstance(found.get("seed"), str):
            return PrivateKey("ed25519", base64url(found["seed"]))
        if isinstance(found.get("secret"), str):
            return PrivateKey("hmac-sha256", base64url(found["secret"]))
    raise InvalidArgumentError(f"{os.fspath(path)} is neither a key file of cytoplex nor an Ed25519 key in PEM")


def _expanded(seed: bytes) -> tuple[int, bytes]:
    """RFC 8032, section 5.1.5."""
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return scalar & ((1 << 254) - 8) | (1 << 254), digest[32:]


def _encode_point(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")
