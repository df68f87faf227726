from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_exec_backends.aws import config

REGIONS = ("CHAMBER_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")


def test_the_region_by_chambers_variable_then_by_those_of_aws() -> None:
    environ = {name: name.lower() for name in REGIONS}
    for name in REGIONS:
        assert config.region(environ) == name.lower()
        del environ[name]
    assert config.region(environ) is None
    assert config.region({"CHAMBER_AWS_REGION": "", "AWS_REGION": "eu-west-1"}) == "eu-west-1"


def test_endpoints() -> None:
    ssm = {"CHAMBER_AWS_SSM_ENDPOINT": "http://ssm"}
    both = {**ssm, "CHAMBER_AWS_SECRETS_MANAGER_ENDPOINT": "http://sm"}
    assert config.endpoint("ssm", both) == "http://ssm"
    assert config.endpoint("secretsmanager", both) == "http://sm"
    assert config.endpoint("secretsmanager", ssm) == "http://ssm"
    assert config.endpoint("s3", both) is None
    assert config.endpoint("ssm", {"AWS_ENDPOINT_URL": "http://all"}) is None


@pytest.mark.parametrize(
    "name",
    [
        "alias/parameter_store_key",
        "alias/aws/ssm",
        "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws:kms:us-east-1:123456789012:alias/mine",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890ab",
    ],
)
def test_what_is_a_key_already_stays_as_it_is(name: str) -> None:
    assert config.kms_key(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "parameter_store_key",
        "aws/ssm",
        "mrk-key",
        "1234abcd-12ab-34cd-56ef-1234567890ax",
        "1234abcd-12ab-34cd-56ef",
        "--------",
    ],
)
def test_any_other_name_is_an_alias(name: str) -> None:
    assert config.kms_key(name) == f"alias/{name}"


@given(st.uuids())
def test_every_uuid_is_a_key(uuid: object) -> None:
    assert config.kms_key(str(uuid)) == str(uuid)
