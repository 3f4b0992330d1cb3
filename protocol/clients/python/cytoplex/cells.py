"""Cells: what a publisher signed, verified without trusting the node that answered."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

from . import mldsa
from .errors import IntegrityError
from .keys import encode
from .semver import satisfies, version
from .verify_answer import (
    NEUTRAL,
    Refused,
    base64url,
    canonical,
    check,
    check_inclusion,
    decode_point,
    ed25519,
    hash_of,
    hashes,
    members,
    multiply,
    parse,
    same,
    sha256,
    signed,
    signed_tree,
)

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
#: Milliseconds that clocks may differ.
_SKEW_MS = 300_000


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
    #: Algorithms of its signature.
    algorithms: tuple[str, ...]
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
    #: Security level `maximum`: a hybrid signature, and a proof from the provider's log.
    maximum: bool = False


def verified_cell(network: str, node: str, answer: Any, expected: Optional[Expected] = None) -> Cell:
    """The cell of an answer. Raises `IntegrityError` unless its publisher signed it and it is what was asked for."""
    try:
        cell = _cell(network, node, answer)
        if expected is not None:
            _check_fit(cell, answer, expected)
            if expected.maximum:
                check("ml-dsa-65" in cell.algorithms, "security level maximum needs a signature with ml-dsa-65")
                _check_registration(network, cell, answer)
        return cell
    except (Refused, KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        reason = str(error) if isinstance(error, Refused) else repr(error)
        raise IntegrityError(f"{node} sent a cell that does not hold: {reason}", node=node) from None


def _cell(network: str, node: str, answer: Any) -> Cell:
    manifest, token = answer["manifest"], answer["signature"]
    publisher, kind, algorithms = verify_manifest(network, manifest, token)
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
        algorithms=algorithms,
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


def verify_manifest(network: str, manifest: Any, token: Any) -> tuple[str, str, tuple[str, ...]]:
    """The publisher, its kind, and the algorithms of its signature. Raises `Refused`."""
    members(manifest, MANIFEST)
    check(manifest["format"] == 1, "a manifest of another format")
    version(manifest["version"])
    check(isinstance(token, str) and len(token) <= _TOKEN and token.startswith("cs1."), "not a manifest signature")
    content = members(parse(base64url(token[4:])), ("key_records", "signatures"))
    check("cs1." + encode(canonical(content).encode()) == token, "a manifest signature in another form")
    publisher, current = publisher_of(network, content["key_records"])
    check(manifest["publisher"] == publisher, "the signature belongs to another publisher")
    message = f"cytoplex/{network}/manifest/v1\n{canonical(manifest)}".encode()
    given = [members(one, ("algorithm", "public_key", "signature")) for one in content["signatures"]]
    required = current["required_algorithms"]
    check([one["algorithm"] for one in given] == required, f"it is not signed with {', '.join(required)}")
    for one in given:
        key = {"algorithm": one["algorithm"], "public_key": one["public_key"]}
        check(key in current["signing_keys"], "a signature is by a key that its publisher does not list")
        verifier = ed25519 if one["algorithm"] == "ed25519" else mldsa.verify
        holds = verifier(base64url(one["public_key"]), message, base64url(one["signature"]))
        check(holds, f"the manifest's {one['algorithm']} signature is wrong for the network {network}")
    return publisher, current["kind"], tuple(required)


def _check_registration(network: str, cell: Cell, answer: Any) -> None:
    """That the log of the provider has the registration of the cell."""
    proof = members(answer["log"], ("provider_id", "certificate", "evidence"))
    provider, certificate = proof["provider_id"], proof["certificate"]
    check(provider == answer["metadata"]["provider"], "the proof is of another provider's log")
    evidence = members(proof["evidence"], ("leaf", "inclusion", "checkpoint"))
    inclusion, leaf = evidence["inclusion"], base64url(evidence["leaf"])
    log = {"certificate": certificate, "checkpoint": evidence["checkpoint"], "tree_size": inclusion["tree_size"]}
    _, _, size, root = signed_tree(network, provider, log)
    now = time.time() * 1000
    in_force = certificate["not_before"] - _SKEW_MS <= now <= certificate["not_after"] + _SKEW_MS
    check(in_force, "the certificate of the log's key is not in force")
    check_inclusion(leaf, inclusion["log_index"], size, hashes(inclusion["hashes"]), root)
    act = parse(leaf)
    check(act.get("act") == "register" and act.get("cell_id") == cell.cell_id, "the leaf is not its registration")


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
            usable = key["algorithm"] == "ml-dsa-65" and len(data) == mldsa.KEY_BYTES
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
