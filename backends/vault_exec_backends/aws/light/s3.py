"""The calls on S3 that the stores make, in S3's REST protocol:
https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html

Only the members that the stores use: any other is `Unusual`.
"""

from __future__ import annotations

from vault_exec_backends.aws.errors import Lost
from vault_exec_backends.aws.light import Unusual, url, xml
from vault_exec_backends.aws.light.message import Request, refused, succeeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vault_exec_backends.aws.light.http import Answer
    from vault_exec_backends.aws.light.plan import Plan

#: Method, and what the query says of the operation itself.
_OPERATIONS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "DeleteObject": ("DELETE", ()),
    "GetObject": ("GET", ()),
    "GetObjectTagging": ("GET", (("tagging", ""),)),
    "ListObjectsV2": ("GET", (("list-type", "2"), ("encoding-type", "url"))),
    "PutObject": ("PUT", ()),
    "PutObjectTagging": ("PUT", (("tagging", ""),)),
}
_HEADERS = {
    "ContentType": "content-type",
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "Tagging": "x-amz-tagging",
}
_QUERY = {"ContinuationToken": "continuation-token", "Delimiter": "delimiter", "Prefix": "prefix"}
_ANSWERED = {
    "etag": "ETag",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-version-id": "VersionId",
}
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

#: Refusals that botocore answers by calling the region where the bucket is.
_ELSEWHERE = ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect")


def request(plan: Plan, operation: str, members: Mapping[str, Any]) -> Request:
    """Raises Unusual for other calls, members and buckets than the stores'."""
    if operation not in _OPERATIONS:
        raise Unusual(f"the operation {operation}")
    if members.get("Bucket") != plan.bucket:
        raise Unusual("another bucket than the one that is configured")
    method, pairs = _OPERATIONS[operation]
    query, headers, body = list(pairs), {}, b""
    for name, value in members.items():
        if operation == "PutObjectTagging" and name == "Tagging":
            body = _tagging(value)
        elif name == "Body" and isinstance(value, bytes):
            body = value
        elif name in _HEADERS and isinstance(value, str):
            headers[_HEADERS[name]] = _header(value)
        elif name in _QUERY and isinstance(value, str):
            query.append((_QUERY[name], value))
        elif name not in ("Bucket", "Key"):
            raise Unusual(f"a member {name} of {operation}")
    if method == "PUT":
        headers["x-amz-checksum-crc32"] = _crc32(body)
        headers["x-amz-sdk-checksum-algorithm"] = "CRC32"
    if operation == "GetObject":
        headers["x-amz-checksum-mode"] = "ENABLED"
    path = plan.prefix or "/"
    if "Key" in members:
        path = f"{plan.prefix}/{url.quoted(members['Key'], keep='/')}"
    return Request(method, path, url.query(query), headers, body)


def members(operation: str, answer: Answer) -> dict[str, Any]:
    """The members of the answer that the stores use. Raises Refused and Lost, and Unusual for a redirect."""
    if not succeeded(answer):
        _raise_refused(answer)
    if operation == "ListObjectsV2":
        return _listed(answer.body)
    if operation == "GetObjectTagging":
        return {"TagSet": _tags(answer.body)}
    found: dict[str, Any] = {
        member: answer.headers[name] for name, member in _ANSWERED.items() if name in answer.headers
    }
    if operation == "GetObject":
        expected = answer.headers.get("x-amz-checksum-crc32", "")
        if expected and "-" not in expected and expected != _crc32(answer.body):  # with -: of parts
            raise Lost("an answer that was damaged on its way", malformed=True)
        found["Body"] = answer.body
        count = answer.headers.get("x-amz-tagging-count", "0")
        found["TagCount"] = int(count) if count.isascii() and count.isdigit() else 0
    return found


def _raise_refused(answer: Answer) -> None:
    try:
        error = xml.parsed(answer.body)
    except Lost:
        error = xml.Element("")
    code = error.value("Code") or ""
    if answer.status in (301, 302, 307, 308) or code in _ELSEWHERE:
        raise Unusual("the bucket seems to be in another region")
    raise refused(answer, code, error.value("Message") or "")


def _listed(body: bytes) -> dict[str, Any]:
    from urllib.parse import unquote_plus

    root = xml.parsed(body)
    is_encoded = root.value("EncodingType") == "url"
    contents: list[dict[str, Any]] = []
    for entry in root.all("Contents"):
        name = entry.value("Key") or ""
        contents.append({"Key": unquote_plus(name) if is_encoded else name})
    found: dict[str, Any] = {"Contents": contents} if contents else {}
    truncated, token = root.value("IsTruncated"), root.value("NextContinuationToken")
    if truncated is not None:
        found["IsTruncated"] = truncated == "true"
    if token is not None:
        found["NextContinuationToken"] = token
    return found


def _tags(body: bytes) -> list[dict[str, str]]:
    tags = xml.parsed(body).find("TagSet")
    if tags is None:
        raise Lost("an answer without TagSet", malformed=True)
    return [{"Key": tag.value("Key") or "", "Value": tag.value("Value") or ""} for tag in tags.all("Tag")]


def _tagging(value: Any) -> bytes:
    try:
        tags = "".join(
            f"<Tag><Key>{xml.escaped(tag['Key'])}</Key><Value>{xml.escaped(tag['Value'])}</Value></Tag>"
            for tag in value["TagSet"]
        )
    except ValueError:
        raise Unusual("a tag that XML cannot hold") from None
    return f'<Tagging xmlns="{_NAMESPACE}"><TagSet>{tags}</TagSet></Tagging>'.encode()


def _header(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise Unusual("a header that is not plain ASCII")
    return value


def _crc32(body: bytes) -> str:
    from binascii import b2a_base64, crc32

    return b2a_base64(crc32(body).to_bytes(4, "big"), newline=False).decode()
