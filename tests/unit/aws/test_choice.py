"""Which carrier a call gets, and that the user can see it."""

from __future__ import annotations

import pytest

from tests.support.aws import Told, context
from tests.support.commands import Home
from tests.support.filling import fill_ssm
from tests.support.moto import Moto
from tests.support.proxy import Proxy, refused
from tests.support.server import Server, answer
from vault_exec_backends.aws.client import connect


def test_what_is_plain_is_carried_without_botocore(aws: dict[str, str]) -> None:
    told = Told()
    client = connect("ssm", context("ssm", aws, told))
    assert told.traces == []  # nothing is looked at before the first call
    for _ in range(2):
        client.call("DescribeParameters", about="app")
    assert [line for line in told.traces if "carried" in line] == [
        "ssm: carried without botocore: nothing unusual is configured"
    ]


def test_what_is_unusual_is_carried_by_botocore(aws: dict[str, str]) -> None:
    told = Told()
    client = connect("ssm", context("ssm", {**aws, "AWS_USE_FIPS_ENDPOINT": "false"}, told))
    for _ in range(2):
        client.call("DescribeParameters", about="app")
    assert [line for line in told.traces if "carried" in line] == [
        "ssm: carried by botocore: AWS_USE_FIPS_ENDPOINT is set"
    ]


def test_a_call_that_turns_out_to_be_unusual_is_made_by_botocore(proxy: Proxy, aws: dict[str, str]) -> None:
    told = Told()
    client = connect("s3", context("s3", aws, told, backend_s3_bucket="my-bucket"))
    client.call("CreateBucket", about="bucket", Bucket="my-bucket")
    client.call("PutObject", about="key", Bucket="my-bucket", Key="key", Body=b"body")
    assert client.call("GetObject", about="key", Bucket="my-bucket", Key="key")["Body"] == b"body"
    assert [line for line in told.traces if "carried" in line] == [
        "s3: carried without botocore: nothing unusual is configured",
        "s3: carried by botocore: the operation CreateBucket",
    ]
    assert proxy.counts == {"PUTBucket": 1, "PutObject": 1, "GetObject": 1}


def test_a_bucket_elsewhere_is_botocores(proxy: Proxy, aws: dict[str, str]) -> None:
    told = Told()
    client = connect("s3", context("s3", aws, told, backend_s3_bucket="my-bucket"))
    client.call("CreateBucket", about="bucket", Bucket="my-bucket")
    told.traces.clear()

    client = connect("s3", context("s3", aws, told, backend_s3_bucket="my-bucket"))
    proxy.spoil("PutObject", refused(400, "AuthorizationHeaderMalformed"))
    client.call("PutObject", about="key", Bucket="my-bucket", Key="key", Body=b"body")
    assert [line for line in told.traces if "carried" in line][1:] == [
        "s3: carried by botocore: the bucket seems to be in another region"
    ]
    assert client.call("GetObject", about="key", Bucket="my-bucket", Key="key")["Body"] == b"body"


@pytest.mark.parametrize("carrier", ["light", "botocore"])
def test_verbose_says_which(aws_home: Home, moto: Moto, carrier: str) -> None:
    fill_ssm(moto.url, {"svc": {"key": "value"}})
    done = aws_home.run("exec", "-b", "ssm", "svc", "--verbose", "--", "true")
    assert done.code == 0, done
    said = [line for line in done.err.splitlines() if "carried" in line]
    assert said == [
        "vault-exec: ssm: carried without botocore: nothing unusual is configured"
        if carrier == "light"
        else "vault-exec: ssm: carried by botocore: AWS_DEFAULTS_MODE is set"
    ]


def test_a_trace_never_holds_what_proves_who_we_are(aws: dict[str, str]) -> None:
    told = Told()
    environ = {**aws, "AWS_SECRET_ACCESS_KEY": "canary-a1b2", "AWS_SESSION_TOKEN": "canary-c3d4"}
    for more in ({}, {"AWS_ENDPOINT_URL": "http://canary-e5f6:pass@127.0.0.1:9"}):
        with Server(answer(b"{}")) as server:
            around = context("ssm", {**environ, "AWS_ENDPOINT_URL": server.url, **more}, told, timeout=0.5)
            try:
                connect("ssm", around).call("DescribeParameters", about="app", Name="canary-0000")
            except Exception as error:
                told.traces.append(str(error))
    assert told.traces
    assert "canary" not in "".join(told.traces)
