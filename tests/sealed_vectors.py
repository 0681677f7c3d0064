"""Sealed sheets written out byte by byte: what any implementation of `facebatch.review.signatures` must give.

The seals were computed with `openssl dgst -sha256 -mac HMAC`, not with this package.
"""

from typing import Any, NamedTuple

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
_HEAD = (
    "facebatch review sheet 1\n"
    '{"assignment":"22222222222222222222222222222222","case":"333333333333333333333333",'
    '"examiner":"p-44444444444444444444444444444444","findings":['
)
_TAIL = (
    '],"finished_at":"2026-01-31T09:12:00.050Z","format_version":"review sheet 1",'
    '"opened_at":"2026-01-31T09:00:00.000Z","review":"11111111111111111111111111111111"}'
)


class Vector(NamedTuple):
    """A sheet with these findings, what is sealed of it, and the seal."""

    name: str
    findings: list[dict[str, Any]]
    told: str
    seal: str
    key: str = KEY

    @property
    def sealed(self) -> bytes:
        return f"{_HEAD}{self.told}{_TAIL}".encode()


def vector_sheet(vector: Vector) -> dict[str, Any]:
    return {
        "format_version": "review sheet 1",
        "review": "1" * 32,
        "assignment": "2" * 32,
        "case": "3" * 24,
        "examiner": "p-" + "4" * 32,
        "opened_at": "2026-01-31T09:00:00.000Z",
        "finished_at": "2026-01-31T09:12:00.050Z",
        "findings": vector.findings,
    }


VECTORS = [
    Vector(
        "plain",
        [{"probe": "1", "outcome": "no_candidate", "candidate": None, "note": ""}],
        '{"candidate":null,"note":"","outcome":"no_candidate","probe":"1"}',
        "910e23a1afefb5d028119cb52ebada7b8c771ea22e5b0654396cf18718bbadd5",
    ),
    Vector(
        "escapes",
        [{"probe": "1", "outcome": "potential_candidate", "candidate": "AB", "note": 'a"b\\c/d\te\nf'}],
        r'{"candidate":"AB","note":"a\"b\\c/d\te\nf","outcome":"potential_candidate","probe":"1"}',
        "fd20d0e101ec088ee0ea7f83730857bc9fa62c578a2b6c711b7aacf806b5949f",
    ),
    Vector(
        "unicode",
        [
            {"probe": "1", "outcome": "inconclusive", "candidate": None, "note": "e\u0301 é \u2028\u2029\ufeff\u0080"},
            {"probe": "2", "outcome": "no_candidate", "candidate": None, "note": "中文 \U0001f600 <b>&amp;</script>"},
        ],
        '{"candidate":null,"note":"e\u0301 é \u2028\u2029\ufeff\u0080","outcome":"inconclusive","probe":"1"},'
        '{"candidate":null,"note":"中文 \U0001f600 <b>&amp;</script>","outcome":"no_candidate","probe":"2"}',
        "706a580e9af285f815b8cda056494b8aed5a793981bf08467ffe8cb23175cd60",
    ),
]
