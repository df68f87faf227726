"""AWS Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""

from __future__ import annotations

from time import gmtime, strftime

from vault_exec_backends.aws.light.quick import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from vault_exec_backends.aws.light.credentials import Keys

_BLOCK = 64  # bytes of SHA-256's blocks (FIPS 180-4)


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC of RFC 2104 with SHA-256. The module `hmac` would cost exec 3 ms."""
    if len(key) > _BLOCK:
        key = sha256(key).digest()
    key = key.ljust(_BLOCK, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
    outer: bytes = sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()
    return outer


def signed(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    service: str,
    region: str,
    keys: Keys,
    now: float,
) -> dict[str, str]:
    """The headers, with those that prove who sends them.

    path, query: percent-encoded as they are sent, the query sorted. SigV4 encodes the path once more for all
    services but S3, and takes `.` and `..` out of it; ours is then always `/`.
    headers: by lower-case name, with `host`; all of them are signed.
    now: seconds since 1970.
    """
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
    all_of_them = {**headers, "x-amz-date": stamp}
    body_hash = sha256(body).hexdigest()
    if service == "s3":
        all_of_them["x-amz-content-sha256"] = body_hash
    if keys.token:
        all_of_them["x-amz-security-token"] = keys.token
    names = ";".join(sorted(all_of_them))
    lines = "".join(f"{name}:{' '.join(all_of_them[name].split())}\n" for name in sorted(all_of_them))
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{body_hash}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + keys.secret).encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        key = hmac_sha256(key, part.encode())
    signature = hmac_sha256(key, text.encode()).hex()
    all_of_them["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return all_of_them
