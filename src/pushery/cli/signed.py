"""Requests of the Pusher HTTP API, signed as a backend signs them. Only makes them; source: protocol, section 12.1."""

import hashlib

from pushery.dialects.pusher.mac import signature


def signed_path(method: str, path: str, body: bytes, *, key: str, secret: str, unix_s: int) -> str:
    """`path` with the query that proves that who has `secret` sends `body` there at that time."""
    params = {"auth_key": key, "auth_timestamp": str(unix_s), "auth_version": "1.0"}
    if body:
        params["body_md5"] = hashlib.md5(body, usedforsecurity=False).hexdigest()
    query = "&".join(f"{name}={params[name]}" for name in sorted(params))
    proof = signature(secret, f"{method}\n{path}\n{query}".encode())
    return f"{path}?{query}&auth_signature={proof}"
