"""Keys that sign decisions: Ed25519, kept as PEM (PKCS #8) in a file that only its owner can read."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from facebatch.errors import ConfigError
from facebatch.storage.files import disk_faults

_OTHERS = 0o077


def make_key(path: Path) -> str:
    """Write a new private key; its public key, hex. ConfigError where the file is there already."""
    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with disk_faults(str(path)):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise ConfigError(f"{path}: is there already; a key is never overwritten, choose another name") from None
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    return public(key)


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. ConfigError when it is none, or when others can read it."""
    with disk_faults(str(path)):
        data, mode = path.read_bytes(), path.stat().st_mode
    if mode & _OTHERS:
        raise ConfigError(f"{path}: others than its owner can read this private key; chmod 600 it, or make a new one")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: holds no Ed25519 private key; make one with `facebatch policy keygen`")
    return key


def public(key: Ed25519PrivateKey) -> str:
    """The public key, 64 hex digits."""
    return key.public_key().public_bytes_raw().hex()
