"""Cells: what a publisher signed, verified without trusting the node that answered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

from .errors import IntegrityError
from .keys import encode
from .semver import satisfies, version
from .verify_answer import Refused, base64url, canonical, check, decode_point, ed25519, hash_of, members, multiply
from .verify_answer import NEUTRAL, parse, same, sha256, signed

MANIFEST = (
    "format",
    "publisher",
    "cell_type",
    "version",
    "capabilities",
    "dependencies",
    "requirements",
    "packaging_format",
    "media_type",
    "labels",
    "package",
)
_RECORD = ("format", "kind", "number", "previous", "signing_keys", "required_algorithms", "recovery_key_hash")
#: Key records of one publisher at most, and characters of a signature: limits.ts.
_RECORDS = 16
_TOKEN = 96 * 1024


@dataclass(frozen=True)
class Cell:
    """A cell whose identity, signature and fit were checked here."""

    cell_id: str
    cell_type: str
    version: str
    #: `sha256:<hex>` of the package.
    digest: str
    size_bytes: int
    publisher: str
    #: `publisher`, or `provider` where a node signed for somebody without keys.
    signed_by: str
    #: Algorithms whose signatures were verified here.
    algorithms: tuple[str, ...]
    #: Algorithms that the publisher signs with, and that Python's standard library cannot verify: of `ml-dsa-65` the node's word counts.
    unverified: tuple[str, ...]
    #: What the publisher signed.
    manifest: Mapping[str, Any] = field(repr=False)
    #: The answer as it came, of which `manifest` alone is signed.
    answer: Mapping[str, Any] = field(repr=False)
    #: Base URL of the node that answered.
    node: str = ""

    @property
    def capabilities(self) -> dict[str, str]:
        """Versions by name."""
        return {capability["name"]: capability["version"] for capability in self.manifest["capabilities"]}


@dataclass(frozen=True)
class Expected:
    """What was asked for."""

    by: str
    name: str
    range: Optional[str] = None
    publishers: Optional[Sequence[str]] = None


def verified_cell(network: str, node: str, answer: Any, expected: Optional[Expected] = None) -> Cell:
    """The cell of an answer. Raises `IntegrityError` unless its publisher signed it and it is what was asked for."""
    try:
        cell = _cell(network, node, answer)
        if expected is not None:
            _check_fit(cell, answer, expected)
        return cell
    except (Refused, KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        reason = str(error) if isinstance(error, Refused) else repr(error)
        raise IntegrityError(f"{node} sent a cell that does not hold: {reason}", node=node) from None


def _cell(network: str, node: str, answer: Any) -> Cell:
    manifest, token = answer["manifest"], answer["signature"]
    publisher, kind, proven, unproven = verify_manifest(network, manifest, token)
    package = members(manifest["package"], ("digest", "size", "chunk_size", "chunks_root"))
    claims = {
        "cell_id": hash_of(manifest),
        "publisher": publisher,
        "cell_type": manifest["cell_type"],
        "version": manifest["version"],
        "digest": package["digest"],
    }
    for name, true in claims.items():
        check(answer[name] == true, f"{name} is {answer[name]}, it should be {true}")
    for name, true in (("size_bytes", package["size"]), ("packaging_format", manifest["packaging_format"])):
        check(answer.get(name, true) == true, f"{name} is {answer.get(name)}, it should be {true}")
    return Cell(
        **claims,
        size_bytes=package["size"],
        signed_by=kind,
        algorithms=proven,
        unverified=unproven,
        manifest=manifest,
        answer=answer,
        node=node,
    )


def _check_fit(cell: Cell, answer: Any, expected: Expected) -> None:
    accepted = expected.publishers
    check(accepted is None or cell.publisher in accepted, f"the publisher {cell.publisher} is not accepted")
    capabilities = cell.capabilities
    check(answer["capability"] in capabilities, f"the manifest does not offer {answer['capability']}")
    if expected.by == "capability":
        check(expected.name in capabilities, f"the manifest does not offer {expected.name}")
        found = capabilities[expected.name]
    else:
        check(cell.cell_type == expected.name, f"it is {cell.cell_type}, not {expected.name}")
        found = cell.version
    check(expected.range is None or satisfies(found, expected.range), f"version {found} is outside {expected.range}")


def verify_manifest(network: str, manifest: Any, token: Any) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """The publisher, its kind, and the algorithms that were verified and that could not be. Raises `Refused`."""
    members(manifest, MANIFEST)
    check(manifest["format"] == 1, "a manifest of another format")
    version(manifest["version"])
    check(isinstance(token, str) and len(token) <= _TOKEN and token.startswith("cs1."), "not a manifest signature")
    content = members(parse(base64url(token[4:])), ("key_records", "signatures"))
    check("cs1." + encode(canonical(content).encode()) == token, "a manifest signature in another form")
    publisher, current = publisher_of(network, content["key_records"])
    check(manifest["publisher"] == publisher, "the signature belongs to another publisher")
    given = [members(one, ("algorithm", "public_key", "signature")) for one in content["signatures"]]
    required = current["required_algorithms"]
    check([one["algorithm"] for one in given] == required, f"it is not signed with {', '.join(required)}")
    for one in given:
        key = {"algorithm": one["algorithm"], "public_key": one["public_key"]}
        check(key in current["signing_keys"], "a signature is by a key that its publisher does not list")
        if one["algorithm"] == "ed25519":
            message = f"cytoplex/{network}/manifest/v1\n{canonical(manifest)}".encode()
            holds = ed25519(base64url(one["public_key"]), message, base64url(one["signature"]))
            check(holds, f"the manifest's signature is wrong for the network {network}")
    check("ed25519" in required, "no signature of it can be verified here: ed25519 is not among them")
    unproven = tuple(name for name in required if name != "ed25519")
    return publisher, current["kind"], ("ed25519",), unproven


def publisher_of(network: str, records: Any) -> tuple[str, Any]:
    """Who the publisher is, and its newest key record. The chain from the first record on has to hold."""
    check(isinstance(records, list) and 1 <= len(records) <= _RECORDS, f"a publisher has 1 to {_RECORDS} key records")
    for number, record in enumerate(records):
        optional = () if number == 0 else ("revoked_from", "recovery")
        members(record, _RECORD, optional)
        check(record["format"] == 1 and record["number"] == number, f"key record {number} is another one")
        check(record["kind"] in ("publisher", "provider"), f"key record {number} is of another kind")
        check(record["kind"] == records[0]["kind"], f"key record {number} changes the kind")
        before = None if number == 0 else records[number - 1]
        check(record["previous"] == (None if before is None else hash_of(before)), f"key record {number} does not follow")
        if before is not None:
            recovery = members(record["recovery"], ("public_key", "signature"))
            key = base64url(recovery["public_key"])
            check(sha256(key).hex() == before["recovery_key_hash"], f"key record {number} reveals another recovery key")
            reduced = {**record, "recovery": {"public_key": recovery["public_key"]}}
            signed(network, "key-record", reduced, key, recovery["signature"])
        _check_keys(number, record)
    return hash_of(records[0]), records[-1]


def _check_keys(number: int, record: Any) -> None:
    keys, required = record["signing_keys"], record["required_algorithms"]
    check(1 <= len(keys) <= 8 and len({canonical(key) for key in keys}) == len(keys), f"the keys of record {number} are not distinct")
    for key in keys:
        members(key, ("algorithm", "public_key"))
        data = base64url(key["public_key"])
        if key["algorithm"] == "ed25519":
            point = decode_point(data) if len(data) == 32 else None
            usable = point is not None and not same(multiply(8, point), NEUTRAL)
        else:
            usable = key["algorithm"] == "ml-dsa-65" and len(data) == 1952
        check(usable, f"key record {number} lists a key that is no valid {key['algorithm']} key")
    check(1 <= len(required) <= 2 and len(set(required)) == len(required), f"key record {number} requires an algorithm twice, or none")
    listed = {key["algorithm"] for key in keys}
    check(set(required) <= listed, f"key record {number} requires an algorithm that it lists no key for")


class PackageHash:
    """SHA-256 of a package that arrives in parts."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    def update(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
