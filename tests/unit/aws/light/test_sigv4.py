"""Signatures: AWS's published examples, RFC 4231, and botocore's signer on requests of every kind."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_exec_backends.aws.light import sigv4, url
from vault_exec_backends.aws.light.credentials import Keys

#: RFC 4231, section 4: key, data and HMAC-SHA-256 of each test case that is not cut off.
RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. "
        b"The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]

SUITE = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
S3 = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


@pytest.mark.parametrize(("key", "data", "expected"), RFC_4231)
def test_hmac(key: bytes, data: bytes, expected: str) -> None:
    assert sigv4.hmac_sha256(key, data).hex() == expected


@pytest.mark.parametrize(
    ("method", "query", "headers", "body", "expected"),
    [
        ("GET", "", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "Param1=value1&Param2=value2",
            {},
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST",
            "",
            {"content-type": "application/x-www-form-urlencoded"},
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "get-vanilla-query-order-key-case", "post-x-www-form-urlencoded"],
)
def test_of_aws_signature_v4_test_suite(
    method: str, query: str, headers: dict[str, str], body: bytes, expected: str
) -> None:
    made = sigv4.signed(
        method,
        "/",
        query,
        {"host": "example.amazonaws.com", **headers},
        body,
        service="service",
        region="us-east-1",
        keys=SUITE,
        now=datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp(),
    )
    assert made["authorization"].endswith(f"Signature={expected}")


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "expected"),
    [
        (
            "GET",
            "/test.txt",
            "",
            {"range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            "",
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/",
            "lifecycle=",
            {},
            b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/",
            "max-keys=2&prefix=J",
            {},
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_of_the_s3_api_reference(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, expected: str
) -> None:
    made = sigv4.signed(
        method,
        path,
        query,
        {"host": "examplebucket.s3.amazonaws.com", **headers},
        body,
        service="s3",
        region="us-east-1",
        keys=S3,
        now=datetime(2013, 5, 24, tzinfo=UTC).timestamp(),
    )
    assert made["authorization"].endswith(f"Signature={expected}")


PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PATHS = st.lists(st.one_of(TEXT, st.sampled_from(["..", ".", "", "a b", "ü", "%41", "~"])), max_size=5).map(
    "/".join
)


@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    st.sampled_from(["s3", "ssm"]),
    PATHS,
    st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=4, unique_by=lambda pair: pair[0]),
    st.dictionaries(
        PLAIN.map(lambda text: "x-amz-meta-" + text.encode().hex()),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)
        .map(str.strip)
        .filter(bool),
        max_size=3,
    ),
    st.binary(max_size=50),
    PLAIN,
    PLAIN,
    st.one_of(st.just(""), PLAIN),
    st.sampled_from(["us-east-1", "cn-north-1"]),
)
def test_as_botocore_signs(
    method: str,
    service: str,
    path: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    access: str,
    secret: str,
    token: str,
    region: str,
) -> None:
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    target = "/" + url.quoted(path, keep="/") if service == "s3" else "/"
    pairs = url.query(query)
    headers = {"host": "some.example.com:8080", **headers}
    of_botocore = AWSRequest(
        method, f"http://some.example.com:8080{target}" + (f"?{pairs}" if pairs else ""), headers, data=body
    )
    of_botocore.context["payload_signing_enabled"] = True
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(
        Credentials(access, secret, token or None), service, region
    )
    signer.add_auth(of_botocore)

    made = sigv4.signed(
        method,
        target,
        pairs,
        headers,
        body,
        service=service,
        region=region,
        keys=Keys(access, secret, token),
        now=datetime.strptime(of_botocore.headers["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp(),
    )
    assert made["authorization"] == of_botocore.headers["Authorization"]
