"""Strings that look like live credentials, put together at run time, and some that only look random."""

from __future__ import annotations

import base64
import random
import string
import uuid

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
MARK_KEY = b"a tenant's key"


def text(rng: random.Random, size: int, alphabet: str = ALNUM) -> str:
    return "".join(rng.choice(alphabet) for _ in range(size))


def github_token(rng: random.Random) -> str:
    return "gh" + "p_" + text(rng, 36)


def shaped_credentials(rng: random.Random) -> dict[str, str]:
    """By rule: a credential of a vendor's documented shape."""
    key = "\n".join(text(rng, 64, ALNUM + "+/") for _ in range(12))
    return {
        "github-pat": github_token(rng),
        "gitlab-pat": "glp" + "at-" + text(rng, 20),
        "slack-token": "xo"
        + f"xb-{text(rng, 12, string.digits)}-{text(rng, 12, string.digits)}-{text(rng, 24)}",
        "stripe-key": "sk_" + "live_" + text(rng, 24),
        "anthropic-key": "sk-" + "ant-api03-" + text(rng, 93) + "AA",
        "gcp-api-key": "AI" + "za" + text(rng, 35),
        "npm-token": "npm" + "_" + text(rng, 36),
        "private-key": f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{key}\n-----END RSA PRIVATE {'KEY'}-----",
    }


def harmless(rng: random.Random) -> dict[str, str]:
    """Random by design, and no credential: none of it may be touched."""
    digest = base64.b64encode(rng.randbytes(64)).decode()
    lines = "\n".join(base64.b64encode(rng.randbytes(48)).decode() for _ in range(15))
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(2_000)).decode()
    return {
        "commit": f"commit {text(rng, 40, HEX)}\nAuthor: A <a@example.com>\nindex {text(rng, 7, HEX)}..",
        "checksum": f"secret token key password sha256:{text(rng, 64, HEX)}",
        "uuid": f"session key {uuid.UUID(int=rng.getrandbits(128))}",
        "lockfile": f'"integrity": "sha512-{digest}"',
        "go.sum": f"example.com/a/b v1.0.0 h1:{digest[:43]}=",
        "pip": f"foo==1.0 --hash=sha256:{text(rng, 64, HEX)}",
        "agent ids": f"toolu_01{text(rng, 22)} msg_01{text(rng, 22)} call_{text(rng, 24)}",
        "image": image,
        "digest": f"image@sha256:{text(rng, 64, HEX)}",
        "public key": f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{digest} me@host",
        "certificate": f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----",
    }


PLACEHOLDERS = [
    "API_KEY=your-api-key-here",
    "password: ${DB_PASSWORD}",
    "token = <token>",
    "Authorization: Bearer $TOKEN",
    "postgres://user:password@localhost/db",
    "postgresql://postgres:postgres@db:5432/app",
    "https://user:${PASS}@example.com",
    "GITHUB_TOKEN=gh" + "p_" + "x" * 36,
    'export OPENAI_API_KEY="sk-your-key"',
    "redis://:<password>@localhost",
    "mysql://root:********@db/shop",
]
