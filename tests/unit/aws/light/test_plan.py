"""What is plain enough to be carried without botocore, and what is left to it. Never anything in between:
what is read here is read as botocore, configparser and urllib read it."""

from __future__ import annotations

import configparser
import os
import urllib.request
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vault_exec_backends.aws.light import Unusual, profile, proxies, url
from vault_exec_backends.aws.light.http import Deadline
from vault_exec_backends.aws.light.plan import Plan

PLAIN = {
    "HOME": "/nonexistent",
    "PATH": "/usr/bin",
    "AWS_ACCESS_KEY_ID": "access",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "eu-west-3",
}


def plan(service: str = "ssm", bucket: str = "", **variables: str) -> Plan:
    return Plan(service, {**PLAIN, **variables}, bucket)


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in PLAIN.items() if name not in names}


# -- plain --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "variables", "server", "region"),
    [
        ("ssm", {}, "https://ssm.eu-west-3.amazonaws.com", "eu-west-3"),
        ("secretsmanager", {}, "https://secretsmanager.eu-west-3.amazonaws.com", "eu-west-3"),
        ("sts", {}, "https://sts.eu-west-3.amazonaws.com", "eu-west-3"),
        ("ssm", {"AWS_REGION": "cn-north-1"}, "https://ssm.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("ssm", {"AWS_REGION": "us-gov-west-1"}, "https://ssm.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("ssm", {"CHAMBER_AWS_REGION": "us-east-1"}, "https://ssm.us-east-1.amazonaws.com", "us-east-1"),
        ("ssm", {"AWS_ENDPOINT_URL": "http://localhost:4566/"}, "http://localhost:4566", "eu-west-3"),
        ("ssm", {"AWS_ENDPOINT_URL": "https://[::1]"}, "https://[::1]", "eu-west-3"),
        (
            "ssm",
            {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_SSM": "http://b", "AWS_ENDPOINT_URL_STS": "http://c"},
            "http://b",
            "eu-west-3",
        ),
        (
            "ssm",
            {"AWS_ENDPOINT_URL_SSM": "http://b", "CHAMBER_AWS_SSM_ENDPOINT": "http://c:80"},
            "http://c",
            "eu-west-3",
        ),
    ],
)  # fmt: skip
def test_where_a_call_goes(service: str, variables: dict[str, str], server: str, region: str) -> None:
    made = plan(service, **variables)
    assert (str(made.server), made.region) == (server, region)


@pytest.mark.parametrize(
    ("bucket", "variables", "server", "prefix"),
    [
        ("my-bucket", {}, "https://my-bucket.s3.eu-west-3.amazonaws.com", ""),
        ("my.bucket", {}, "https://s3.eu-west-3.amazonaws.com", "/my.bucket"),
        ("my-bucket", {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}, "http://127.0.0.1:5000", "/my-bucket"),
        ("my-bucket", {"AWS_ENDPOINT_URL_S3": "https://min.io"}, "https://min.io", "/my-bucket"),
    ],
)  # fmt: skip
def test_where_a_bucket_is(bucket: str, variables: dict[str, str], server: str, prefix: str) -> None:
    made = plan("s3", bucket, **variables)
    assert (str(made.server), made.prefix, made.bucket) == (server, prefix, bucket)


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"},
        {"AWS_STS_REGIONAL_ENDPOINTS": "regional"},
        {"AWS_PAGER": "less", "AWS_DEFAULT_OUTPUT": "json", "AWS_CLI_AUTO_PROMPT": "on"},
        {"AWS_LAMBDA_FUNCTION_NAME": "x", "AWS_RETRY_MODE": "adaptive", "AWS_MAX_ATTEMPTS": "3"},
        {"AWS_SESSION_TOKEN": "", "AWS_VAULT": "mine"},
        {"APP_AWS_THING": "x", "AWSOME": "x"},
        {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "internal,.amazonaws.com"},
        {"HTTPS_PROXY": "http://proxy:3128", "https_proxy": ""},
        {"HTTP_PROXY": "http://proxy:3128", "ALL_PROXY": "http://proxy:3128"},
        {"https_proxy": "http://proxy:3128", "no_proxy": "*"},
    ],
)
def test_what_makes_no_difference(variables: dict[str, str]) -> None:
    assert str(plan(**variables).server) == "https://ssm.eu-west-3.amazonaws.com"


# -- left to botocore ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "AWS_USE_FIPS_ENDPOINT"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "AWS_USE_DUALSTACK_ENDPOINT"),
        ({"AWS_ENDPOINT_URL_PARAMETER_STORE": "http://x"}, "AWS_ENDPOINT_URL_PARAMETER_STORE"),
        ({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "AWS_IGNORE"),
        ({"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, "AWS_STS_REGIONAL_ENDPOINTS"),
        ({"AWS_SOMETHING_NEW": "x"}, "AWS_SOMETHING_NEW"),
        ({"AWS_DATA_PATH": "/x"}, "AWS_DATA_PATH"),
        ({"BOTOCORE_TCP_KEEPALIVE": "true"}, "BOTOCORE_TCP_KEEPALIVE"),
        ({"BOTO_CONFIG": "/x"}, "BOTO_CONFIG"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv6"}, "ENDPOINT_MODE"),
        ({"AWS_ENDPOINT_URL": ""}, "AWS_ENDPOINT_URL is empty"),
        ({"AWS_PROFILE": ""}, "AWS_PROFILE is empty"),
        ({"AWS_PROFILE": "nobody"}, "no profile nobody"),
        ({"AWS_PROFILE": "a", "AWS_DEFAULT_PROFILE": "b"}, "differ"),
        ({"AWS_CONFIG_FILE": "~/x"}, "expanded"),
        ({"AWS_REGION": ""}, "AWS_REGION is empty"),
        ({"AWS_REGION": "us-iso-east-1"}, "us-iso-east-1"),
        ({"AWS_REGION": "eusc-de-east-1"}, "eusc-de-east-1"),
        ({"AWS_REGION": "aws-global"}, "aws-global"),
        ({"AWS_REGION": "fips-us-east-1"}, "fips-us-east-1"),
        ({"AWS_REGION": "us-east-1.evil.example"}, "region"),
        ({"AWS_REGION": "not a region"}, "not a region"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "endpoint"),
        ({"AWS_ENDPOINT_URL": "http://user:pass@host"}, "endpoint"),
        ({"AWS_ENDPOINT_URL": "http://host/path"}, "path"),
        ({"AWS_ENDPOINT_URL": "http://host?x=y"}, "endpoint"),
        ({"AWS_ENDPOINT_URL": "http://ho_st"}, "endpoint"),
        ({"AWS_ENDPOINT_URL": "http://host:0"}, "endpoint"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "half"),
        ({"AWS_ACCESS_KEY_ID": ""}, "half"),
        ({"AWS_ACCESS_KEY_ID": "a\nb"}, "form"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "proxy"),
        ({"https_proxy": "http://proxy:3128", "NO_PROXY": "example.com"}, "proxy"),
    ],
)
def test_what_is_unusual(variables: dict[str, str], said: str) -> None:
    with pytest.raises(Unusual, match=said):
        plan(**variables)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "no credentials|credentials"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/x"}, "without a role"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example/"}, "unusual place"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://127.0.0.1/"}, "unusual place"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "nonsense"}, "no plain URL"),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "x.evil.example/"}, "unusual place|plain"),
    ],
)
def test_credentials_that_are_unusual(variables: dict[str, str], said: str) -> None:
    bare = without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Unusual, match=said):
        Plan("ssm", {**bare, "AWS_EC2_METADATA_DISABLED": "true", **variables})


def test_no_region_is_unusual() -> None:
    with pytest.raises(Unusual, match="no region"):
        Plan("ssm", without("AWS_REGION"))


@pytest.mark.parametrize(
    "bucket", ["", "ab", "Upper-Case", "under_score", "arn:aws:s3:::x", "a--x-s3", "x-s3alias"]
)
def test_a_bucket_that_is_unusual(bucket: str) -> None:
    with pytest.raises(Unusual, match="bucket"):
        plan("s3", bucket)


# -- profiles -----------------------------------------------------------------------------------------------

KEYS = "aws_access_key_id = access\naws_secret_access_key = secret\nregion = eu-west-1\n"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[profile me]\nsso_session = x\n", "sso_session"),
        ("[profile me]\nsso_start_url = x\n", "sso_start_url"),
        ("[profile me]\nrole_arn = x\nsource_profile = y\n", "role_arn"),
        ("[profile me]\ncredential_process = x\n", "credential_process"),
        ("[profile me]\nmfa_serial = x\n", "mfa_serial"),
        ("[profile me]\nuse_fips_endpoint = true\n", "use_fips_endpoint"),
        ("[profile me]\nendpoint_url = http://x\n", "endpoint_url"),
        ("[profile me]\nservices = mine\n", "services"),
        ("[profile me]\nca_bundle = x\n", "ca_bundle"),
        ("[profile me]\ns3 =\n  addressing_style = path\n", "s3|plain"),
        ("[profile me]\nsomething_new = x\n", "something_new"),
        (f"[profile me]\n{KEYS}  more\n", "plain"),
        (f"[profile me]\n{KEYS}[profile me]\n", "plain"),
        (f"[profile me]\n{KEYS}{KEYS}", "plain"),
        (f"[profile 'me']\n{KEYS}", "plain"),
        (f"[me]\n{KEYS}", "no profile me"),
        (f"[profile me]\nno value\n{KEYS}", "plain"),
        (f"[profile me]\nregion: eu-west-1\n{KEYS}", "plain"),
        (f"outside = 1\n[profile me]\n{KEYS}", "plain"),
        (f"[profile me]\n{KEYS}[profile other\n", "plain"),
    ],
)
def test_a_profile_that_is_unusual(tmp_path: Path, config: str, said: str) -> None:
    (tmp_path / "config").write_text(config)
    with pytest.raises(Unusual, match=said):
        plan(AWS_CONFIG_FILE=str(tmp_path / "config"), AWS_PROFILE="me")


def test_what_is_unusual_elsewhere_in_the_file_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "# ümlaut\n[sso-session x]\nsso_region = y\n\n"
        f"[profile  me]\n{KEYS}cli_pager =\n\n"
        "[profile other]\ns3 =\n  a = b\nrole_arn = z\nname = ü\n[plugins]\na=b\n"
    )
    environ = without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
    made = Plan("ssm", {**environ, "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "me"})
    assert made.region == "eu-west-1"
    assert made.credentials.keys(Deadline(1)).access == "access"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unusual):
        plan(AWS_CONFIG_FILE=str(tmp_path))
    (tmp_path / "config").write_bytes(b"\xff\xfe")
    with pytest.raises(Unusual):
        plan(AWS_CONFIG_FILE=str(tmp_path / "config"))


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "[default]",
                "[profile a]",
                "[profile  a]",
                "[ default ]",
                "[b] ; x",
                "[b]x",
                "[]",
                "  [b]",
                "key = value",
                "KEY=value",
                "key=other = thing",
                " key = value",
                "key : value",
                "other = a # b",
                "other=",
                "= x",
                "# comment",
                "; comment",
                "  # comment",
                "",
                "   ",
                "\t",
                "word",
                "a b = c",
                "third = ü",
                "fourth =\x0bx",
                "fifth = a\x85b",
                "sixth = \u2028",
            ]
        ),
        st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12),
    ),
    max_size=8,
)


@settings(max_examples=500)
@given(LINES, st.sampled_from(["\n", "\r\n"]))
@example(["[default]", "key = value", "# c", "other=a"], "\n")
def test_a_file_is_read_as_configparser_reads_it(lines: list[str], end: str) -> None:
    """Where it is read at all: what is not plain may only be refused."""
    text = end.join(lines)
    try:
        found = profile.parsed(text)
    except ValueError:
        return
    oracle = configparser.RawConfigParser(default_section="")  # as botocore makes it, but for `None`
    oracle.read_string(text.replace("\r\n", "\n"))  # as a file in text mode
    for name, section in found.items():
        if "" in section:
            continue
        of_oracle = [dict(oracle[other]) for other in oracle if other and " ".join(other.split()) == name]
        assert of_oracle == [section]
    assert len(found) == len(oracle) - 1


# -- proxies ------------------------------------------------------------------------------------------------


@settings(max_examples=500)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "http_proxy",
                "HTTP_PROXY",
                "https_proxy",
                "HTTPS_PROXY",
                "Https_Proxy",
                "all_proxy",
                "REQUEST_METHOD",
                "_proxy",
            ]
        ),
        st.sampled_from(["", "http://proxy:1"]),
    ),
    st.dictionaries(
        st.sampled_from(["no_proxy", "NO_PROXY"]),
        st.lists(
            st.sampled_from(
                [
                    "*",
                    "",
                    " ",
                    "amazonaws.com",
                    ".amazonaws.com",
                    "AMAZONAWS.COM",
                    " example.com ",
                    "127.0.0.1",
                    "com",
                    ".",
                    "..com",
                    "::1",
                    "[::1]",
                ]
            )
        ).map(",".join),
    ),
    st.sampled_from(
        [
            "https://ssm.eu-west-3.amazonaws.com",
            "http://127.0.0.1:5000",
            "http://[::1]:5000",
            "https://Example.COM",
        ]
    ),
)
def test_proxies_are_seen_as_urllib_sees_them(
    set_proxies: dict[str, str], exceptions: dict[str, str], address: str
) -> None:
    environ = {**set_proxies, **exceptions}
    server, _ = url.parsed(address)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        for name, value in environ.items():
            patch.setenv(name, value)
        expected = urllib.request.getproxies_environment().get(server.scheme)
        if expected and urllib.request.proxy_bypass_environment(address.partition("://")[2]):
            expected = None
    try:
        proxies.check(server, environ)
    except Unusual:
        assert expected
    else:
        assert not expected
