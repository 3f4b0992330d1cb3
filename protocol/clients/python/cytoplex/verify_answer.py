#!/usr/bin/env python3
"""Verifies an answer that carries its proof. Needs nothing but Python 3.8's standard library and this file.

    verify_answer.py [--network NAME] [--provider ID] [--keys FILE] [--request FILE] [--source FILE]... ANSWER

Exit code 0: everything in the answer holds. 1: something does not, and the reason is printed. The rules are those of
protocol/README.md, "Assurance"; protocol/vectors/answers.json has known verdicts. The client of this folder
stands on its Ed25519, canonical JSON and hashes.
"""

import argparse
import base64
import calendar
import hashlib
import json
import math
import re
import sys
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union, cast

Point = Tuple[int, int, int, int]


class Refused(Exception):
    """Why an answer does not hold."""


def check(holds: object, reason: str) -> None:
    if not holds:
        raise Refused(reason)


# Ed25519 (RFC 8032, section 5.1), strict: canonical encodings, no keys of small order, the cofactored equation.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while scalar > 0:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def same(p: Point, q: Point) -> bool:
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def decode_point(data: bytes) -> Optional[Point]:
    """The point of 32 bytes; None for bytes that are not the one encoding of a point."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * ROOT % P
    if (x * x - square) % P != 0 or (x == 0 and sign == 1):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = cast(Point, decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")))
NEUTRAL = (0, 1, 1, 0)


def ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """True when the signature holds."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    a, r = decode_point(public_key), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or same(multiply(8, a), NEUTRAL):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    return same(multiply(8 * s, BASE), multiply(8, add(r, multiply(k, a))))


# JSON with a single meaning, and its canonical form (RFC 8785).


def parse(text: Union[str, bytes]) -> Any:
    """What a text of JSON means; refused when readers could differ."""

    def members(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
        names = [name for name, _ in pairs]
        check(len(set(names)) == len(names), "an object has the same key twice")
        check("__proto__" not in names, "an object has the key __proto__")
        return dict(pairs)

    def constant(name: str) -> Any:
        raise Refused(f"{name} is no JSON")

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, object_pairs_hook=members, parse_constant=constant)
        canonical(value)
        return value
    except (ValueError, RecursionError, UnicodeError) as error:
        raise Refused(f"not JSON: {error}") from None


def canonical(value: Any) -> str:
    """RFC 8785: the one text of a JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        value.encode("utf-8")  # refuses lone surrogates
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"


def number(value: Union[int, float]) -> str:
    """As ECMAScript writes it."""
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    check(math.isfinite(value), "a number is outside IEEE 754")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # Where the decimal point stands, counted from the first digit that is not zero.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + power


# Encodings and hashes.


def base64url(text: Any) -> bytes:
    check(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]*", text), "not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Refused("not base64url") from None
    check(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text, "not the one base64url of its bytes")
    return data


def base64_padded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("not base64") from None
    check(base64.b64encode(data).decode() == text, "not the one base64 of its bytes")
    return data


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hash_of(value: Any) -> str:
    return sha256(canonical(value).encode()).hex()


def thumbprint(x: Any) -> str:
    """RFC 7638."""
    return base64.urlsafe_b64encode(sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": x}).encode())).rstrip(b"=").decode()


ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def identity_key(provider_id: Any) -> bytes:
    """The Ed25519 key inside a provider id (a libp2p PeerId)."""
    check(isinstance(provider_id, str) and re.fullmatch(f"[{ALPHABET}]{{46,62}}", provider_id), "not a provider id")
    value = 0
    for letter in provider_id:
        value = value * 58 + ALPHABET.index(letter)
    data = value.to_bytes(48, "big").lstrip(b"\0")
    zeros = len(provider_id) - len(provider_id.lstrip("1"))
    data = b"\0" * zeros + data
    check(len(data) == 38 and data[:6] == bytes.fromhex("002408011220"), "not the provider id of an Ed25519 key")
    return data[6:]


def milliseconds(text: Any) -> int:
    check(isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text, re.ASCII), "not a time")
    try:
        return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(text[20:23])
    except ValueError:
        raise Refused(f"{text} is no time") from None


def members(value: Any, required: Sequence[str], optional: Sequence[str] = ()) -> Any:
    """The object, with exactly these members."""
    check(isinstance(value, dict), "an object is expected")
    check(set(required) <= set(value) <= set(required) | set(optional), f"found the members {sorted(value)}")
    return value


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


# Signatures and certificates.


def signed(network: str, context: str, value: Dict[str, Any], key: bytes, signature: Any) -> None:
    """Checks a signature over `value` without its own member `signature`."""
    value = {name: member for name, member in value.items() if name != "signature"}
    message = f"cytoplex/{network}/{context}/v1\n{canonical(value)}".encode()
    check(ed25519(key, message, base64url(signature)), f"a signature ({context}) does not hold")


CERTIFICATE = ("provider_id", "role", "public_key", "serial", "not_before", "not_after", "signature")


def certified_key(network: str, certificate: Any, provider_id: Any, role: str) -> bytes:
    """The key that the identity `provider_id` certifies for `role`."""
    members(certificate, CERTIFICATE)
    check(certificate["provider_id"] == provider_id and certificate["role"] == role, f"not a certificate of the role {role}")
    check(is_count(certificate["not_before"]) and is_count(certificate["not_after"]), "a certificate without times")
    check(certificate["not_after"] >= certificate["not_before"] - 300_000, "a certificate that ends before it begins")
    key = base64url(certificate["public_key"])
    signed(network, "role-certificate", certificate, identity_key(provider_id), certificate["signature"])
    return key


# RFC 9162: the tree, inclusion and consistency.


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right)


def root_of(leaves: Sequence[bytes]) -> bytes:
    level = [sha256(b"\0" + leaf) for leaf in leaves]
    while len(level) > 1:
        above = [node(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = above + level[len(level) // 2 * 2 :]
    return level[0]


def hashes(texts: Any) -> List[bytes]:
    check(isinstance(texts, list) and len(texts) <= 106, "a path is expected")
    check(all(isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text) for text in texts), "a path of hashes is expected")
    return [bytes.fromhex(text) for text in texts]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """RFC 9162, section 2.1.3.2."""
    check(is_count(index) and index < size, "a leaf outside the log")
    at, last, value = index, size - 1, sha256(b"\0" + leaf)
    for sibling in path:
        check(last > 0, "an inclusion proof is too long")
        if at & 1 or at == last:
            value = node(sibling, value)
            while not at & 1 and at > 0:
                at, last = at >> 1, last >> 1
        else:
            value = node(value, sibling)
        at, last = at >> 1, last >> 1
    check(last == 0 and value == root, f"the leaf {index} is not in the log")


def check_consistency(first: int, first_root: bytes, second: int, second_root: bytes, path: List[bytes]) -> None:
    """RFC 9162, section 2.1.4.2, for at least one leaf."""
    if first == second:
        check(path == [] and first_root == second_root, "two logs of one size differ")
        return
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if at == 0:
        path = [first_root] + path
    check(path != [], "a consistency proof is empty")
    older = newer = path[0]
    for sibling in path[1:]:
        check(last > 0, "a consistency proof is too long")
        if at & 1 or at == last:
            older, newer = node(sibling, older), node(sibling, newer)
            while not at & 1 and at > 0:
                at, last = at >> 1, last >> 1
        else:
            newer = node(newer, sibling)
        at, last = at >> 1, last >> 1
    check(last == 0 and older == first_root and newer == second_root, "one log is not the beginning of the other")


# Checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature).


def note_signatures(lines: Sequence[str], name: str, kind: int, key: bytes) -> Iterator[bytes]:
    """The signatures in a note that name this key."""
    key_id = sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]
    for line in lines:
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        if match is None:
            raise Refused("a line below a note is no signature")
        data = base64_padded(match.group(2))
        if match.group(1) == name and data[:4] == key_id:
            yield data[4:]


def signed_tree(network: str, provider_id: str, log: Dict[str, Any]) -> Tuple[str, List[str], int, bytes]:
    """The log of a node as its key signed it: the text of the note, its lines, how many leaves and their root."""
    key = certified_key(network, log["certificate"], provider_id, "log")
    text, separator, rest = log["checkpoint"].partition("\n\n")
    check(separator != "" and rest.endswith("\n"), "not a signed note")
    text, lines = text + "\n", rest[:-1].split("\n")
    origin, size, root = (text.split("\n") + ["", ""])[:3]
    check(re.fullmatch(re.escape(provider_id) + r"/log(\.[1-9]\d{0,6})?", origin) and not origin.endswith(".1"), "not a log of this node")
    check(is_count(log["tree_size"]) and size == str(log["tree_size"]), "the checkpoint is of another size")
    size, root = log["tree_size"], base64_padded(root)
    own = list(note_signatures(lines, origin, 1, key))
    check(own != [] and all(ed25519(key, text.encode(), one) for one in own), "the checkpoint is not signed by the log")
    return text, lines, size, root


SOURCE = ("cell_id", "leaf", "log_index", "inclusion")


def check_source(source: Dict[str, Any], size: int, root: bytes, cells: Dict[str, Any], proven: Set[str]) -> None:
    """That a cited cell is registered in a log, as it is cited."""
    cell, leaf = source["cell_id"], base64url(source["leaf"])
    check(cell in cells and cell not in proven, f"a log proves {cell} without need")
    check_inclusion(leaf, source["log_index"], size, hashes(source["inclusion"]), root)
    act = parse(leaf)
    check(isinstance(act, dict) and act.get("act") == "register" and act.get("cell_id") == cell, f"{cell} is not registered there")
    for name in ("cell_type", "version", "publisher", "digest"):
        check(act.get(name) == cells[cell][name], f"{cell} was registered with another {name}")
    proven.add(cell)


def check_log(network: str, provider_id: str, log: Dict[str, Any], citations: Sequence[Dict[str, Any]]) -> Set[str]:
    """What the node's log proves: the cited cells that it holds."""
    members(log, ("certificate", "checkpoint", "tree_size", "witnesses", "sources"), ("elsewhere", "anchors"))
    text, lines, size, root = signed_tree(network, provider_id, log)

    names = [certificate["provider_id"] for certificate in log["witnesses"]]
    check(len(set(names)) == len(names), "a witness is named twice")
    for certificate in log["witnesses"]:
        name = certificate["provider_id"]
        key = certified_key(network, certificate, name, "witness")
        said = list(note_signatures(lines, f"{name}/witness", 4, key))
        check(said != [], f"{name} has not cosigned")
        for one in said:
            message = f"cosignature/v1\ntime {int.from_bytes(one[:8], 'big')}\n{text}".encode()
            check(ed25519(key, message, one[8:]), f"the cosignature of {name} does not hold")

    cells = {citation["cell_id"]: citation for citation in citations}
    proven: Set[str] = set()
    for source in log["sources"]:
        members(source, SOURCE)
        check_source(source, size, root, cells, proven)
    for source in log.get("elsewhere", []):
        members(source, SOURCE + ("provider_id", "certificate", "checkpoint", "tree_size"))
        check(source["provider_id"] != provider_id, "the log of the node itself is not elsewhere")
        _, _, tree_size, tree_root = signed_tree(network, source["provider_id"], source)
        check_source(source, tree_size, tree_root, cells, proven)

    for anchor in log.get("anchors", []):
        members(anchor, ("anchor", "receipt", "size", "root", "consistency"))
        check(is_count(anchor["size"]) and anchor["size"] > 0, "an anchor keeps nothing")
        kept, pair = hashes([anchor["root"]])[0], hashes(anchor["consistency"])
        if anchor["size"] <= size:
            check_consistency(anchor["size"], kept, size, root, pair)
        else:
            check_consistency(size, root, anchor["size"], kept, pair)
    return proven


# The answer.

RESPONSE = ("request_id", "response_id", "timestamp", "status", "payload", "proof", "errors")
PROOF = ("audit_chain", "signatures", "hash_chain", "signature", "kid", "provider_id", "certificate")
RECORD = ("seq", "prev_hash", "step", "input_hash", "output_hash", "timestamp", "operator_id", "request_id")
CITATION = ("result_start", "result_end", "cell_id", "cell_type", "version", "publisher", "digest", "start", "end")
BLANK = re.compile(r"[ \t\r\n]*")
SPACES = re.compile(r"[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+")


def quoted(text: str) -> str:
    """How a text is quoted: each run of space is one, and there is none at the ends."""
    return SPACES.sub(" ", text).strip(" ")


def cited(result: str, citation: Dict[str, Any]) -> str:
    """The cited sentence: offsets count UTF-16 code units."""
    units = result.encode("utf-16-le")
    return units[2 * citation["result_start"] : 2 * citation["result_end"]].decode("utf-16-le")


def check_citations(payload: Dict[str, Any]) -> None:
    """Everything in the result is cited, in order, and every sentence is a quotation that can be of so many bytes."""
    result, end = payload["result"].encode("utf-16-le"), 0
    for citation in payload["citations"]:
        members(citation, CITATION)
        start, stop = citation["result_start"], citation["result_end"]
        check(all(is_count(citation[name]) for name in ("result_start", "result_end", "start", "end")), "a citation without places")
        check(end <= start < stop and 2 * stop <= len(result), "a citation does not fit the result")
        check(BLANK.fullmatch(result[2 * end : 2 * start].decode("utf-16-le")), "text that is not cited")
        sentence = cited(payload["result"], citation)
        check(sentence == quoted(sentence), "a citation that is no quotation")
        check(len(sentence.encode()) <= citation["end"] - citation["start"], "a citation of fewer bytes than the sentence")
        end = stop
    check(BLANK.fullmatch(result[2 * end :].decode("utf-16-le")), "text that is not cited")


def check_sources(payload: Optional[Dict[str, Any]], sources: Sequence[bytes]) -> None:
    for source in sources:
        digest = f"sha256:{sha256(source).hex()}"
        found = [citation for citation in payload["citations"] if citation["digest"] == digest] if payload else []
        if payload is None or found == []:
            raise Refused(f"nothing of {digest} is cited")
        for citation in found:
            there = quoted(source[citation["start"] : citation["end"]].decode())
            check(there == cited(payload["result"], citation), f"{digest} says something else")


def verify(
    response: Any,
    network: str = "main",
    provider_id: Optional[str] = None,
    keys: Any = None,
    request: Any = None,
    sources: Sequence[bytes] = (),
    now: Optional[int] = None,
) -> None:
    """Verifies everything that a response carries. Raises `Refused`."""
    try:
        check_answer(response, network, provider_id, keys, request, sources, now)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise Refused(f"not an answer: {error!r}") from None


def check_answer(
    response: Any,
    network: str,
    provider_id: Optional[str],
    keys: Any,
    request: Any,
    sources: Sequence[bytes],
    now: Optional[int],
) -> None:
    members(response, RESPONSE)
    proof, payload = members(response["proof"], PROOF, ("log",)), response["payload"]
    chain, signatures, certificate = proof["audit_chain"], proof["signatures"], proof["certificate"]
    check(provider_id is None or proof["provider_id"] == provider_id, "the answer is of another node")
    check(isinstance(chain, list) and 2 <= len(chain) <= 1024, "a chain has 2 to 1024 records")
    check(isinstance(signatures, list) and len(signatures) == len(chain), "each record has one signature")

    # When: strictly increasing, within the validity of the key.
    times = [milliseconds(record["timestamp"]) for record in chain]
    at = milliseconds(response["timestamp"])
    check(all(a < b for a, b in zip(times, times[1:])) and times[-1] <= at, "the times do not increase")
    check(now is None or at <= now + 300_000, "the answer is of the future")

    # Who: the key is certified by the node, and listed.
    key = certified_key(network, certificate, proof["provider_id"], "proof")
    check(proof["kid"] == thumbprint(certificate["public_key"]), "the certificate is of another key")
    check(certificate["not_before"] <= times[0] and at <= certificate["not_after"], "the key was not in force")
    if keys is not None:
        listed = [jwk for jwk in keys["keys"] if jwk["kid"] == proof["kid"]][:1]
        check(listed != [] and listed[0]["x"] == certificate["public_key"], "the key is not listed")
        check(listed[0]["nbf"] * 1000 <= times[0] and at <= listed[0]["exp"] * 1000, "the listed key was not in force")

    # What: each record follows the one before; the first is the request, the last this response.
    previous = "0" * 64
    for seq, record in enumerate(chain):
        members(record, RECORD)
        check(is_count(record["seq"]) and record["seq"] == seq and record["prev_hash"] == previous, f"the record {seq} does not follow")
        check(record["request_id"] == response["request_id"], "a record is about another request")
        check(record["operator_id"] == chain[0]["operator_id"], "a record names another operator")
        previous = hash_of(record)
    result = {name: response[name] for name in ("status", "payload", "errors")}
    took = None
    if payload is not None:
        took = payload["metadata"]["processing_time_ms"]
        check(is_count(took), "an answer without its duration")
        metadata = {name: value for name, value in payload["metadata"].items() if name != "processing_time_ms"}
        result["payload"] = {**payload, "metadata": metadata}
    first, last = chain[0], chain[-1]
    check(first["step"] == "request" and last["step"] == "answer", "the chain does not go from request to answer")
    check(last["input_hash"] == chain[-2]["output_hash"], "the last record does not begin where the one before ended")
    check(last["output_hash"] == hash_of(result), "the proof is of another result")
    if request is not None:
        check(first["input_hash"] == hash_of(request) and first["operator_id"] == request["operator_id"], "of another request")
        check(first["output_hash"] == hash_of(request["payload"]), "of another question")
    check(root_of([canonical(record).encode() for record in chain]).hex() == proof["hash_chain"], "the root is another one")

    # From where: citations cover the result, and the node's log has the cells.
    citations = [] if payload is None else payload["citations"]
    if payload is not None:
        check_citations(payload)
    check_sources(payload, sources)
    is_excused = citations == [] or any(error["code"] == "602" for error in response["errors"])
    if "log" in proof:
        proven = check_log(network, proof["provider_id"], proof["log"], citations)
        check(is_excused or all(citation["cell_id"] in proven for citation in citations), "the log lacks a cell")
    elif request is not None:
        mode = request["payload"].get("verification_mode")
        check(is_excused or mode not in ("strict", "audit"), f"the mode {mode} was asked for")

    # Signed: the binding of all of it to this response, and each record.
    binding = {
        "hash_chain": proof["hash_chain"],
        "request_id": response["request_id"],
        "response_id": response["response_id"],
        "request_hash": first["input_hash"],
        "result_hash": last["output_hash"],
        "processing_time_ms": took,
        "log_hash": hash_of(proof["log"]) if "log" in proof else None,
        "timestamp": response["timestamp"],
        "provider_id": proof["provider_id"],
    }
    signed(network, "answer", binding, key, proof["signature"])
    for record, signature in zip(chain, signatures):
        signed(network, "audit-record", record, key, signature)


def main() -> None:
    parser = argparse.ArgumentParser(description="Verifies an answer that carries its proof.")
    parser.add_argument("answer")
    parser.add_argument("--network", default="main")
    parser.add_argument("--provider")
    parser.add_argument("--keys")
    parser.add_argument("--request")
    parser.add_argument("--source", action="append", default=[])
    flags = parser.parse_args()

    def read(path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def load(path: Optional[str]) -> Any:
        return None if path is None else parse(read(path))

    try:
        sources = [read(path) for path in flags.source]
        now = int(time.time() * 1000)
        answer, request = load(flags.answer), load(flags.request)
        # What `cytoplex query --json` prints holds the request, too.
        if isinstance(answer, dict) and set(answer) == {"request", "response"}:
            request = answer["request"] if request is None else request
            answer = answer["response"]
        verify(answer, flags.network, flags.provider, load(flags.keys), request, sources, now)
    except (Refused, OSError) as error:
        print(f"the answer does not hold: {error}", file=sys.stderr)
        sys.exit(1)
    print("verified")


if __name__ == "__main__":
    main()
