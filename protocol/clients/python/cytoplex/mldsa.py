"""ML-DSA-65 (FIPS 204), verification alone, pure and with an empty context."""

from __future__ import annotations

import hashlib
from typing import Optional

Q, N, K, L = 8380417, 256, 6, 5
TAU, BETA, OMEGA = 49, 196, 55
GAMMA1, GAMMA2 = 1 << 19, (Q - 1) // 32
#: Bits that a public key leaves out of each coefficient.
D = 13
KEY_BYTES, SIGNATURE_BYTES, CHALLENGE_BYTES = 1952, 3309, 48

Poly = list[int]

_ZETAS = [pow(1753, int(f"{i:08b}"[::-1], 2), Q) for i in range(N)]
_INVERSE_OF_N = pow(N, Q - 2, Q)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Algorithms 3 and 8: True when the signature holds."""
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    rho, t1 = public_key[:32], [_unpack(public_key[32 + 320 * i : 352 + 320 * i], 10) for i in range(K)]
    challenge, packed = signature[:CHALLENGE_BYTES], signature[CHALLENGE_BYTES:]
    z = [[GAMMA1 - value for value in _unpack(packed[640 * i : 640 * (i + 1)], 20)] for i in range(L)]
    hints = _hints(packed[640 * L :])
    if hints is None or any(abs(value) >= GAMMA1 - BETA for poly in z for value in poly):
        return False
    tr = hashlib.shake_256(public_key).digest(64)
    mu = hashlib.shake_256(tr + b"\0\0" + message).digest(64)
    c = _ntt(_in_ball(challenge))
    z_ntt = [_ntt(poly) for poly in z]
    encoded = b""
    for row in range(K):
        total = [0] * N
        for column in range(L):
            a = _uniform(rho + bytes([column, row]))
            total = [(s + x * y) % Q for s, x, y in zip(total, a, z_ntt[column])]
        t = _ntt([value << D for value in t1[row]])
        w = _inverse_ntt([(s - x * y) % Q for s, x, y in zip(total, c, t)])
        high = [_use_hint(hint, value) for hint, value in zip(hints[row], w)]
        encoded += bytes(low | up << 4 for low, up in zip(high[::2], high[1::2]))
    return hashlib.shake_256(mu + encoded).digest(CHALLENGE_BYTES) == challenge


def _ntt(poly: Poly) -> Poly:
    """Algorithm 41."""
    a, m, length = list(poly), 0, 128
    while length >= 1:
        for start in range(0, N, 2 * length):
            m += 1
            zeta = _ZETAS[m]
            for j in range(start, start + length):
                t = zeta * a[j + length] % Q
                a[j + length], a[j] = (a[j] - t) % Q, (a[j] + t) % Q
        length //= 2
    return a


def _inverse_ntt(poly: Poly) -> Poly:
    """Algorithm 42."""
    a, m, length = list(poly), N, 1
    while length < N:
        for start in range(0, N, 2 * length):
            m -= 1
            zeta = -_ZETAS[m]
            for j in range(start, start + length):
                t = a[j]
                a[j], a[j + length] = (t + a[j + length]) % Q, zeta * (t - a[j + length]) % Q
        length *= 2
    return [value * _INVERSE_OF_N % Q for value in a]


def _uniform(seed: bytes) -> Poly:
    """Algorithm 30: a polynomial of the public matrix."""
    count = 840
    while True:
        data = hashlib.shake_128(seed).digest(count)
        found = [data[i] | data[i + 1] << 8 | (data[i + 2] & 0x7F) << 16 for i in range(0, count, 3)]
        fit = [value for value in found if value < Q]
        if len(fit) >= N:
            return fit[:N]
        count *= 2


def _in_ball(seed: bytes) -> Poly:
    """Algorithm 29: the polynomial of the challenge."""
    count = 256
    while True:
        data = hashlib.shake_256(seed).digest(count)
        signs, at, c = int.from_bytes(data[:8], "little"), 8, [0] * N
        try:
            for i in range(N - TAU, N):
                while data[at] > i:
                    at += 1
                j, at = data[at], at + 1
                c[i] = c[j]
                c[j] = -1 if signs >> (i + TAU - N) & 1 else 1
            return c
        except IndexError:
            count *= 2


def _unpack(data: bytes, bits: int) -> Poly:
    number, mask = int.from_bytes(data, "little"), (1 << bits) - 1
    return [number >> bits * i & mask for i in range(N)]


def _hints(data: bytes) -> Optional[list[Poly]]:
    """Algorithm 21: None for hints that are not the one encoding of themselves."""
    hints, index = [[0] * N for _ in range(K)], 0
    for i in range(K):
        end, first = data[OMEGA + i], index
        if end < index or end > OMEGA:
            return None
        while index < end:
            if index > first and data[index - 1] >= data[index]:
                return None
            hints[i][data[index]] = 1
            index += 1
    return None if any(data[index:OMEGA]) else hints


def _use_hint(hint: int, value: int) -> int:
    """Algorithms 36 and 40."""
    low = value % (2 * GAMMA2)
    if low > GAMMA2:
        low -= 2 * GAMMA2
    if value - low == Q - 1:
        high, low = 0, low - 1
    else:
        high = (value - low) // (2 * GAMMA2)
    if hint == 0:
        return high
    return (high + 1) % 16 if low > 0 else (high - 1) % 16
