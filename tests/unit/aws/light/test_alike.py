"""The two carriers side by side: the same call makes the same request, the same answer means the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.aws import context
from tests.support.proxy import Proxy
from tests.support.server import Request, Server, answer
from vault_exec_backends.aws.boto_carrier import BotoCarrier
from vault_exec_backends.aws.errors import Lost, NotSent, Refused
from vault_exec_backends.aws.light import Unusual
from vault_exec_backends.aws.light.carrier import LightCarrier
from vault_exec_backends.aws.light.plan import Plan

BUCKET = "my-bucket"
TOKEN = {"ClientRequestToken": "x" * 32}
OBJECT = {"Bucket": BUCKET, "Key": "app/key.json"}

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("ssm", "GetParametersByPath", {"Path": "/a/", "Recursive": False, "WithDecryption": True}),
    ("ssm", "GetParameters", {"Names": ["/a/b", "/a/c:1"], "WithDecryption": True}),
    ("ssm", "PutParameter", {"Name": "/a/b", "Value": "ü\n\"\\\u2028😀\x7f", "Type": "SecureString"}),
    ("ssm", "DescribeParameters", {"ParameterFilters": [{"Key": "Name", "Values": ["/a"]}], "MaxResults": 9}),
    ("secretsmanager", "GetSecretValue", {"SecretId": "app", "VersionStage": "x"}),
    ("secretsmanager", "PutSecretValue", {"SecretId": "a", "SecretString": "x", **TOKEN}),
    ("sts", "GetCallerIdentity", {}),
    ("s3", "GetObject", OBJECT),
    ("s3", "GetObject", {**OBJECT, "Key": "a b/../c~+é//%41?x&y=z;'()*!.json"}),
    ("s3", "DeleteObject", {**OBJECT, "IfMatch": '"abc"'}),
    ("s3", "GetObjectTagging", OBJECT),
    ("s3", "PutObjectTagging", {**OBJECT, "Tagging": {"TagSet": [{"Key": "a<b>&", "Value": "c \"d\" 'é'"}]}}),
    ("s3", "ListObjectsV2", {"Bucket": BUCKET, "Prefix": "a/b c+ü", "Delimiter": "/"}),
    ("s3", "ListObjectsV2", {"Bucket": BUCKET, "Prefix": "", "ContinuationToken": "a+/=="}),
    (
        "s3",
        "PutObject",
        {
            **OBJECT,
            "Body": b"\x00body",
            "IfNoneMatch": "*",
            "ContentType": "application/octet-stream",
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": "alias/x",
            "Tagging": "a=b&c=d",
        },
    ),
]  # fmt: skip

#: Headers that say the same in another way, or nothing that the service does anything with.
IDLE = {
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "connection",
    "content-length",
    "user-agent",
    "x-amz-date",
}
#: botocore sends the body of an object in chunks with the checksum behind them, and does not sign it.
OF_BODY = {
    "content-encoding",
    "expect",
    "transfer-encoding",
    "x-amz-checksum-crc32",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
}


class Both:
    """The light carrier and botocore's, on the same server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._environ = {
            "AWS_ACCESS_KEY_ID": "access",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": server.url,
            "HOME": "/nonexistent",
        }
        self._carriers: dict[str, tuple[LightCarrier, BotoCarrier]] = {}

    def carriers(self, service: str) -> tuple[LightCarrier, BotoCarrier]:
        if service not in self._carriers:
            light = LightCarrier(Plan(service, self._environ, BUCKET))
            self._carriers[service] = light, BotoCarrier(service, self._environ, 10.0)
        return self._carriers[service]

    def outcomes(self, service: str, operation: str, members: dict[str, Any]) -> tuple[Any, Any]:
        light, botocore = self.carriers(service)
        return outcome(light, operation, members), outcome(botocore, operation, members)


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """botocore reads its variables from this process's environment when it first calls a service."""
    with Server(answer(b"")) as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "access")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        yield Both(server)


def outcome(carrier: Any, operation: str, members: dict[str, Any]) -> Any:
    try:
        found = carrier.send(operation, members, 5)
    except Refused as error:
        return "refused", error.code, error.status
    except Lost as error:
        return "lost", error.malformed
    except NotSent:
        return "not sent"
    found.pop("ResponseMetadata", None)
    return found


# -- requests -----------------------------------------------------------------------------------------------


def body(request: Request) -> Any:
    if request.headers.get("content-type", "").startswith("application/x-amz-json"):
        return json.loads(request.body)
    if request.headers.get("content-type", "").startswith("application/x-www-form"):
        return sorted(parse_qsl(request.body.decode()))
    return request.body


@pytest.mark.parametrize(("service", "operation", "members"), CALLS)
def test_the_same_request(both: Both, service: str, operation: str, members: dict[str, Any]) -> None:
    both.server.answers(answer(b"", 400))
    both.outcomes(service, operation, members)
    ours, theirs = both.server.requests
    assert ours.method == theirs.method
    assert unquote(urlsplit(ours.target).path) == unquote(urlsplit(theirs.target).path)
    if service == "s3":
        assert urlsplit(ours.target).path == urlsplit(theirs.target).path
    query = [
        sorted(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))
        for request in (ours, theirs)
    ]
    assert query[0] == query[1]
    idle = IDLE | (OF_BODY if operation == "PutObject" else set())
    headers = [
        {name: value for name, value in request.headers.items() if name not in idle}
        for request in (ours, theirs)
    ]
    assert headers[0] == headers[1]
    if operation != "PutObject":
        assert body(ours) == body(theirs)
    else:
        assert ours.body == members["Body"]


@pytest.mark.parametrize("reverse", [False, True])
def test_values_of_every_kind_arrive(proxy: Proxy, aws: dict[str, str], reverse: bool) -> None:
    """What Parameter Store gets is what was given, by either, and reads the same by either."""
    carriers = [LightCarrier(Plan("ssm", aws)), BotoCarrier("ssm", aws, 10.0)]
    writer, reader = reversed(carriers) if reverse else carriers
    number = iter(range(10**6))

    @settings(max_examples=20, deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
    def check(value: str) -> None:
        name = f"/app/{next(number)}"
        writer.send("PutParameter", {"Name": name, "Value": value, "Type": "SecureString"}, 10)
        found = reader.send("GetParameter", {"Name": name, "WithDecryption": True}, 10)["Parameter"]
        assert found["Value"] == value

    check()
    name = {"Name": "/app/0", "WithDecryption": True}
    found = [carrier.send("GetParameter", name, 10)["Parameter"] for carrier in carriers]
    assert found[0] == found[1]
    assert found[0]["LastModifiedDate"].utcoffset() is not None


# -- answers ------------------------------------------------------------------------------------------------

JSON = "application/x-amz-json-1.1"
LIST = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>a+b/=</NextContinuationToken>
<Contents><Key>a+b%2Fc%25%C3%BC</Key></Contents><Contents><Key>x&amp;y</Key></Contents></ListBucketResult>"""
TAGS = """<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>
<Tag><Key>a</Key><Value>b &lt;ü&gt;</Value></Tag><Tag><Key>c</Key><Value></Value></Tag></TagSet></Tagging>"""
WHO = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::1:x/y</Arn><UserId>u</UserId><Account>1</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""
DENIED = "<Error><Code>AccessDenied</Code><Message>no &amp; no</Message><RequestId>r</RequestId></Error>"

GET = ("ssm", "GetParameter", {"Name": "/a/b"})
SECRET = ("secretsmanager", "GetSecretValue", {"SecretId": "a"})
READ = ("s3", "GetObject", OBJECT)
TAGGED = ("s3", "GetObjectTagging", OBJECT)
LISTED = ("s3", "ListObjectsV2", {"Bucket": BUCKET})
WRITTEN = ("s3", "PutObject", {**OBJECT, "Body": b"x"})
CALLER: tuple[str, str, dict[str, Any]] = ("sts", "GetCallerIdentity", {})

ANSWERS: list[tuple[tuple[str, str, dict[str, Any]], int, str | bytes, dict[str, str]]] = [
    (GET, 200, '{"Parameter": {"Name": "/a/b", "Value": "ü", "Version": 3, "LastModifiedDate": 1.5e9}}', {}),
    (GET, 200, '  {"Parameter":{"LastModifiedDate": 1700000000.123, "ARN": null}}\n', {}),
    (SECRET, 200, '{"SecretBinary": "AAEC", "CreatedDate": 1.7e9, "VersionStages": ["a"]}', {}),
    (GET, 200, "{}", {"x-amzn-RequestId": ""}),
    (GET, 200, "<html>", {"x-amzn-RequestId": ""}),
    (GET, 403, "<html>blocked</html>", {"x-amzn-RequestId": ""}),
    (READ, 403, DENIED, {"x-amzn-RequestId": ""}),
    (CALLER, 503, "", {"x-amzn-RequestId": ""}),
    (GET, 400, '{"__type": "ParameterNotFound"}', {}),
    (GET, 400, '{"__type": "com.amazonaws.ssm#ThrottlingException", "message": "slow"}', {}),
    (GET, 400, '{"__type": "AccessDeniedException:http://x/", "Message": "no"}', {}),
    (GET, 400, "{}", {}),
    (GET, 500, "", {}),
    (GET, 503, "<html>down</html>", {}),
    (GET, 502, '{"message": null, "__type": "InternalServerError"}', {}),
    (READ, 200, b"\x00\xffbody", {"ETag": '"e"', "x-amz-tagging-count": "2", "x-amz-version-id": "v"}),
    (READ, 200, b"", {"ETag": '"e"', "x-amz-server-side-encryption-aws-kms-key-id": "arn:k"}),
    (READ, 200, b"body", {"x-amz-checksum-crc32": "26gLsg=="}),
    (READ, 404, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>", {}),
    (READ, 403, DENIED, {}),
    (READ, 403, "", {}),
    (READ, 503, "<Error><Code>SlowDown</Code></Error>", {}),
    (READ, 500, "<html><body>", {}),
    (WRITTEN, 200, "", {"ETag": '"e"', "x-amz-server-side-encryption": "AES256"}),
    (WRITTEN, 412, "<Error><Code>PreconditionFailed</Code></Error>", {}),
    (WRITTEN, 409, "<Error><Code>ConditionalRequestConflict</Code></Error>", {}),
    (TAGGED, 200, TAGS, {}),
    (TAGGED, 200, '<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet/></Tagging>', {}),
    (LISTED, 200, LIST, {}),
    (LISTED, 200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>", {}),
    (CALLER, 200, WHO, {}),
    (CALLER, 403, f"<ErrorResponse>{DENIED}</ErrorResponse>".replace("AccessDenied", "ExpiredToken"), {}),
    (CALLER, 503, "", {}),
]

#: What botocore adds that no store uses.
UNUSED = (
    "AcceptRanges",
    "ChecksumCRC32",
    "ContentLength",
    "ContentType",
    "EncodingType",
    "Metadata",
    "Name",
    "Prefix",
)


@pytest.mark.parametrize(("call", "status", "body", "headers"), ANSWERS)
def test_the_same_answer(
    both: Both,
    call: tuple[str, str, dict[str, Any]],
    status: int,
    body: str | bytes,
    headers: dict[str, str],
) -> None:
    both.server.answers(answer(body.encode() if isinstance(body, str) else body, status, **headers))
    light, by_botocore = both.outcomes(*call)
    if isinstance(by_botocore, dict):
        for name in UNUSED:
            by_botocore.pop(name, None)
        if call[1] == "GetObject":
            by_botocore.setdefault("TagCount", 0)
    assert light == by_botocore


def test_the_words_of_a_refusal(both: Both) -> None:
    for service, operation, members in (GET, READ, CALLER):
        body = b'{"__type":"A","message":"words"}' if service == "ssm" else DENIED.encode()
        both.server.answers(answer(body if service != "sts" else b"<E>" + body + b"</E>", 400))
        for carrier in both.carriers(service):
            with pytest.raises(Refused) as caught:
                carrier.send(operation, members, 5)
            assert caught.value.message == ("words" if service == "ssm" else "no & no")
            if service == "ssm":
                assert caught.value.request_id == "id"


def test_a_checksum_that_is_another(both: Both) -> None:
    both.server.answers(answer(b"body", **{"x-amz-checksum-crc32": "AAAAAA=="}))
    assert both.outcomes(*READ) == (("lost", True), ("lost", True))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"a": NaN}', b"{} x", b'{"a": "\xff"}', b"<html>", b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_no_answer(both: Both, body: bytes) -> None:
    both.server.answers(answer(body))
    assert outcome(both.carriers("ssm")[0], "GetParameter", {"Name": "a"}) == ("lost", True)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("GetParameters", {"Parameters": "x"}),
        ("GetParameters", {"Parameters": ["x"]}),
        ("GetParameters", {"Parameters": {"a": "b"}}),
        ("GetParameters", {"Parameters": [{"LastModifiedDate": [1]}]}),
        ("GetParameters", {"Parameters": [{"LastModifiedDate": 1e300}]}),
        ("GetParameter", {"Parameter": ["x"]}),
        ("GetParameterHistory", {"Parameters": [{"Labels": 1}]}),
        ("ListTagsForResource", {"TagList": [1]}),
    ],
)
def test_a_member_of_another_type_is_no_answer(both: Both, operation: str, body: dict[str, Any]) -> None:
    both.server.answers(answer(json.dumps(body).encode()))
    members = {
        "GetParameters": {"Names": ["a"]},
        "ListTagsForResource": {"ResourceType": "Parameter", "ResourceId": "a"},
    }.get(operation, {"Name": "a"})
    assert both.outcomes("ssm", operation, members) == (("lost", True), ("lost", True))


@pytest.mark.parametrize("member", [{"Value": ["x"]}, {"Value": 5}, {"Version": "x"}, {"Name": {}}])
def test_what_is_in_a_member_is_the_stores_to_check(both: Both, member: dict[str, Any]) -> None:
    both.server.answers(answer(json.dumps({"Parameters": [member]}).encode()))
    light, by_botocore = both.outcomes("ssm", "GetParameters", {"Names": ["a"]})
    assert light == by_botocore == {"Parameters": [member]}


def test_a_token_that_is_no_text_is_not_the_end(both: Both) -> None:
    both.server.answers(answer(b'{"Parameters": [], "NextToken": {}}'))
    assert outcome(both.carriers("ssm")[0], "DescribeParameters", {}) == ("lost", True)


@pytest.mark.parametrize(
    "body", [b"", b"<a>", b"not xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"{}"]
)
def test_what_is_no_xml_is_no_answer(both: Both, body: bytes) -> None:
    both.server.answers(answer(body))
    assert outcome(both.carriers("s3")[0], "ListObjectsV2", {"Bucket": BUCKET}) == ("lost", True)
    assert outcome(both.carriers("sts")[0], "GetCallerIdentity", {}) == ("lost", True)


@pytest.mark.parametrize(
    ("service", "operation", "members"),
    [
        ("ssm", "PutParameter", {"Name": "a", "Value": b"bytes"}),
        ("ssm", "PutParameter", {"Name": "a", "Value": 1.5}),
        ("secretsmanager", "PutSecretValue", {"SecretBinary": "x"}),
        ("s3", "CreateBucket", {"Bucket": BUCKET}),
        ("s3", "GetObject", {**OBJECT, "Bucket": "other-bucket"}),
        ("s3", "GetObject", {**OBJECT, "Range": "bytes=0-1"}),
        ("s3", "PutObject", {**OBJECT, "Body": "text"}),
        ("s3", "PutObject", {**OBJECT, "Body": b"", "SSEKMSKeyId": "ü"}),
        ("s3", "PutObjectTagging", {**OBJECT, "Tagging": {"TagSet": [{"Key": "a", "Value": "\x01"}]}}),
        ("sts", "GetSessionToken", {}),
    ],
)
def test_a_call_that_is_unusual_is_not_sent(
    both: Both, service: str, operation: str, members: dict[str, Any]
) -> None:
    both.server.answers(answer(b""))
    with pytest.raises(Unusual):
        both.carriers(service)[0].send(operation, members, 5)
    assert both.server.requests == []


@pytest.mark.parametrize(
    ("status", "code"), [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed"), (307, "x")]
)
def test_a_bucket_elsewhere_is_unusual(both: Both, status: int, code: str) -> None:
    both.server.answers(answer(f"<Error><Code>{code}</Code></Error>".encode(), status))
    with pytest.raises(Unusual, match="region"):
        both.carriers("s3")[0].send("GetObject", OBJECT, 5)


def test_the_settings_of_a_test_are_plain() -> None:
    """Else the suites would run on botocore twice."""
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    assert Plan("ssm", context("ssm", environ).environ).region == "us-east-1"
