"""Versions and npm's ranges of them: whether a node answered with a version that was asked for."""

from __future__ import annotations

import operator
import re
from typing import Optional

_NUMBER = r"(0|[1-9]\d*)"
_TAG = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_TAG}(?:\.{_TAG})*))?", re.ASCII)
_X = r"(0|[1-9]\d*|[xX*])"
_PARTIAL = rf"v?{_X}(?:\.{_X}(?:\.{_X}(?:-({_TAG}(?:\.{_TAG})*))?)?)?(?:\+[0-9A-Za-z.-]+)?"
_COMPARATOR = re.compile(rf"(<=|>=|<|>|=|\^|~>?)?{_PARTIAL}", re.ASCII)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)", re.ASCII)

#: Major, minor, patch and the identifiers of a prerelease.
Version = tuple[int, int, int, tuple[str, ...]]
_Test = tuple[str, Version]


def version(text: str) -> Version:
    """Raises `ValueError`."""
    match = _VERSION.fullmatch(text)
    if match is None or any(int(match.group(i)) >= 2**53 for i in (1, 2, 3)):
        raise ValueError(f"not a version without build metadata: {text!r}")
    major, minor, patch, tag = match.groups()
    return int(major), int(minor), int(patch), tuple(tag.split(".")) if tag else ()


def precedence(found: Version) -> tuple[object, ...]:
    """SemVer 2.0, section 11, as something to compare."""
    tags = tuple((0, int(tag), "") if tag.isdigit() else (1, 0, tag) for tag in found[3])
    # Without a prerelease is above all with one.
    return found[:3], tags == (), tags


def satisfies(text: str, expression: str) -> bool:
    """As npm's `satisfies`. Raises `ValueError` for what is no range."""
    found = version(text)
    return any(_holds(found, tests) for tests in _range(expression))


_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}


def _holds(found: Version, tests: list[_Test]) -> bool:
    if not all(_COMPARE[sign](precedence(found), precedence(bound)) for sign, bound in tests):
        return False
    # A prerelease only where the range names one of the same version.
    return found[3] == () or any(bound[3] != () and bound[:3] == found[:3] for _, bound in tests)


def _range(expression: str) -> list[list[_Test]]:
    return [_alternative(part.strip()) for part in expression.split("||")]


def _alternative(text: str) -> list[_Test]:
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen is not None:
        low, high = _partial(hyphen.group(1)), _partial(hyphen.group(2))
        return _at_least(low) + _up_to(high)
    # A space after an operator belongs to it.
    joined = re.sub(r"(<=|>=|<|>|=|\^|~>?)\s+", r"\1", text)
    tests: list[_Test] = []
    for part in joined.split():
        match = _COMPARATOR.fullmatch(part)
        if match is None:
            raise ValueError(f"not a range: {text!r}")
        tests += _comparator(match.group(1) or "", _numbers(match, 2))
    return tests


#: Major, minor and patch, None where any will do, and the prerelease.
_Partial = tuple[Optional[int], Optional[int], Optional[int], tuple[str, ...]]


def _partial(text: str) -> _Partial:
    match = re.fullmatch(_PARTIAL, text, re.ASCII)
    if match is None:
        raise ValueError(f"not a version: {text!r}")
    return _numbers(match, 1)


def _numbers(match: re.Match[str], first: int) -> _Partial:
    parts: list[Optional[int]] = []
    for group in match.group(first, first + 1, first + 2):
        is_any = group is None or group in "xX*" or (parts != [] and parts[-1] is None)
        parts.append(None if is_any else int(group))
    tag = match.group(first + 3)
    return parts[0], parts[1], parts[2], tuple(tag.split(".")) if tag and parts[2] is not None else ()


def _floor(partial: _Partial) -> Version:
    return partial[0] or 0, partial[1] or 0, partial[2] or 0, partial[3]


def _next(partial: _Partial, position: int) -> Version:
    """The first version after all that begin with the numbers up to `position`: its prereleases do not count either."""
    numbers = [partial[0] or 0, partial[1] or 0, partial[2] or 0]
    numbers[position] += 1
    numbers[position + 1 :] = [0] * (2 - position)
    return numbers[0], numbers[1], numbers[2], ("0",)


def _release(found: Version) -> Version:
    return found[:3] + ((),)


def _at_least(partial: _Partial) -> list[_Test]:
    return [] if partial[0] is None else [(">=", _floor(partial))]


def _up_to(partial: _Partial) -> list[_Test]:
    if partial[0] is None:
        return []
    if partial[1] is None:
        return [("<", _next(partial, 0))]
    if partial[2] is None:
        return [("<", _next(partial, 1))]
    return [("<=", _floor(partial))]


_NONE: list[_Test] = [("<", (0, 0, 0, ("0",)))]


def _comparator(sign: str, partial: _Partial) -> list[_Test]:
    major, minor, patch, _ = partial
    if sign == "^":
        if major is None:
            return []
        position = 0 if major > 0 or minor is None else 1 if minor > 0 or patch is None else 2
        return [(">=", _floor(partial)), ("<", _next(partial, position))]
    if sign.startswith("~"):
        if major is None:
            return []
        return [(">=", _floor(partial)), ("<", _next(partial, 0 if minor is None else 1))]
    if sign in ("", "="):
        if patch is not None:
            return [("=", _floor(partial))]
        return _at_least(partial) + _up_to(partial)
    if major is None:
        return _NONE if sign in ("<", ">") else []
    if patch is not None:
        return [(sign, _floor(partial))]
    position = 0 if minor is None else 1
    if sign == ">=":
        return [(">=", _floor(partial))]
    if sign == ">":
        return [(">=", _release(_next(partial, position)))]
    if sign == "<":
        return [("<", _floor(partial)[:3] + (("0",),))]
    return [("<", _next(partial, position))]
