"""Makes certificates for the tests, with nothing but Python: ECDSA on P-256 (FIPS 186-4, appendix D.1.2.3) and as much of
X.509 (RFC 5280) as a TLS client looks at. New keys for each run, so none lies in the repository and none expires.

Not for anything but tests: the arithmetic takes no care of timing.
"""

import base64
import datetime
import hashlib
import ipaddress
import secrets
from dataclasses import dataclass
from typing import Optional, Tuple

Point = Optional[Tuple[int, int]]

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def _add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    slope = (3 * (x1 * x1 - 1) * pow(2 * y1, -1, _P)) if one == other else ((y2 - y1) * pow(x2 - x1, -1, _P))
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _times(number: int, point: Point) -> Tuple[int, int]:
    total: Point = None
    while number:
        if number & 1:
            total = _add(total, point)
        point = _add(point, point)
        number >>= 1
    assert total is not None
    return total


def _tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _sequence(*parts: bytes) -> bytes:
    return _tlv(0x30, *parts)


def _integer(value: int) -> bytes:
    return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _bits(value: bytes) -> bytes:
    return _tlv(0x03, b"\0", value)


def _name(common_name: str) -> bytes:
    return _sequence(_tlv(0x31, _sequence(b"\x06\x03\x55\x04\x03", _tlv(0x0C, common_name.encode()))))


def _extension(number: int, critical: bool, value: bytes) -> bytes:
    """An extension of the arc id-ce (2.5.29)."""
    return _sequence(bytes([0x06, 3, 0x55, 0x1D, number]), b"\x01\x01\xff" if critical else b"", _tlv(0x04, value))


def _pem(label: str, der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


_CURVE = bytes.fromhex("06082a8648ce3d030107")
_ECDSA_SHA256 = _sequence(bytes.fromhex("06082a8648ce3d040302"))
_KEY_KIND = _sequence(bytes.fromhex("06072a8648ce3d0201"), _CURVE)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key."""

    name: str
    key: int
    pem: str
    """The certificate."""
    key_pem: str
    """The private key (RFC 5915)."""

    def sign(self, message: bytes) -> bytes:
        digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
        nonce = secrets.randbelow(_N - 1) + 1
        r = _times(nonce, _G)[0] % _N
        s = pow(nonce, -1, _N) * (digest + r * self.key) % _N
        return _sequence(_integer(r), _integer(s))


def make(name: str, signer: Optional[Certificate] = None, address: Optional[str] = None) -> Certificate:
    """A certificate authority, or what ``signer`` gives to a server with that IP address or to a client."""
    key = secrets.randbelow(_N - 1) + 1
    public = b"\x04" + b"".join(part.to_bytes(32, "big") for part in _times(key, _G))
    key_pem = _pem(
        "EC PRIVATE KEY",
        _sequence(
            _integer(1),
            _tlv(0x04, key.to_bytes(32, "big")),
            _tlv(0xA0, _CURVE),
            _tlv(0xA1, _bits(public)),
        ),
    )
    made = Certificate(name, key, "", key_pem)
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    validity = _sequence(*(_tlv(0x17, f"{at:%y%m%d%H%M%SZ}".encode()) for at in (now - day, now + 30 * day)))
    if signer is None:
        # basicConstraints: a CA; keyUsage: keyCertSign.
        extensions = _extension(19, True, _sequence(b"\x01\x01\xff")) + _extension(15, True, b"\x03\x02\x02\x04")
    else:
        # extendedKeyUsage: serverAuth and clientAuth; subjectAltName.
        uses = _sequence(bytes.fromhex("06082b06010505070301"), bytes.fromhex("06082b06010505070302"))
        names = _tlv(0x87, ipaddress.ip_address(address).packed) if address else _tlv(0x82, b"client.test")
        extensions = _extension(37, False, uses) + _extension(17, False, _sequence(names))
    to_sign = _sequence(
        _tlv(0xA0, _integer(2)),
        _integer(secrets.randbits(64)),
        _ECDSA_SHA256,
        _name(name if signer is None else signer.name),
        validity,
        _name(name),
        _sequence(_KEY_KIND, _bits(public)),
        _tlv(0xA3, _sequence(extensions)),
    )
    signature = (signer or made).sign(to_sign)
    return Certificate(
        name, key, _pem("CERTIFICATE", _sequence(to_sign, _ECDSA_SHA256, _bits(signature))), key_pem
    )
