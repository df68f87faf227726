"""What the README says is true: its examples run, its policies suffice, its reference is `--help`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterable

import pytest

from tests.support.commands import Home
from tests.support.moto import Moto
from tests.support.reference import README, with_reference
from vault_exec import environ, registry, settings
from vault_exec.formats import FORMATS, READABLE
from vault_exec.store import Context

TEXT = README.read_text(encoding="utf-8")


def section(heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level = heading.split(" ")[0]
    _, found, rest = f"\n{TEXT}".partition(f"\n{heading}\n")
    assert found, f"the README has no section {heading}"
    return re.split(rf"^#{{2,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def examples(text: str) -> list[tuple[str, str]]:
    """(command, what it is said to print) of each `$ …` line."""
    steps = []
    for block in blocks(text, "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            steps.append((command, shown))
    return steps


def plain(text: str, home: Home) -> str:
    """Without what differs from one machine and day to the next."""
    text = text.replace(str(home.path), "/home/ann")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    return re.sub(r"\t+", "\t", re.sub(r"TIME\t+\S+", "TIME\tUSER", text))


def looks_like(shown: str, printed: str, home: Home) -> bool:
    """`…` in the README stands for anything."""
    pattern = re.escape(plain(shown, home)).replace("…", ".*")
    return re.fullmatch(pattern, plain(printed, home), flags=re.DOTALL) is not None


def check_examples(home: Home, text: str) -> None:
    steps = examples(text)
    assert steps
    for command, shown in steps:
        done = subprocess.run(
            ["/bin/sh", "-c", f"exec 2>&1; {command}"],
            env=home.environ,
            cwd=home.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert looks_like(shown, done.stdout, home), f"$ {command}\nprinted:\n{done.stdout}\nnot:\n{shown}"
        assert (done.returncode == 0) == ("error:" not in shown), f"$ {command} ended with {done.returncode}"


def test_the_tour_on_the_local_store_runs(home: Home) -> None:
    check_examples(home, section("### On the local store"))


def test_the_tour_on_parameter_store_runs(aws_home: Home) -> None:
    check_examples(aws_home, section("### On Parameter Store"))


def test_no_example_stands_where_it_is_not_run() -> None:
    toured = section("### On the local store") + section("### On Parameter Store")
    assert blocks(TEXT, "console") == blocks(toured, "console")


def test_the_python_example_runs(home: Home) -> None:
    home.run("write", "shop", "db-host", "-", stdin="db.internal")
    (code,) = blocks(TEXT, "python")
    code += '\nassert variables == {"DB_HOST": "db.internal"}\n'
    done = subprocess.run(
        [sys.executable, "-c", code], env=home.environ, cwd=home.path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# -- policies -------------------------------------------------------------------------------------------

RUN, CHANGE, AUDIT = (json.loads(block) for block in blocks(TEXT, "json"))


def allowed(policy: dict, resource: str) -> set[str]:
    """The actions that a policy allows on a resource, with the README's placeholders in it."""
    actions: set[str] = set()
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        resources = statement["Resource"]
        for pattern in [resources] if isinstance(resources, str) else resources:
            if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), resource):
                given = statement["Action"]
                actions |= {given} if isinstance(given, str) else set(given)
    return actions


PARAMETER = "arn:aws:ssm:REGION:ACCOUNT:parameter/svc/key"
CONFIG = "arn:aws:ssm:REGION:ACCOUNT:parameter/_chamber/store-config"


@pytest.mark.parametrize("policy", [RUN, CHANGE, AUDIT], ids=["run", "change", "audit"])
def test_a_policy_is_one(policy: dict) -> None:
    assert policy["Version"] == "2012-10-17"
    assert set(policy) == {"Version", "Statement"}
    for statement in policy["Statement"]:
        assert set(statement) <= {"Effect", "Action", "Resource", "Condition"}


def test_the_audit_policy_opens_no_value() -> None:
    everything = allowed(AUDIT, PARAMETER) | allowed(AUDIT, "arn:aws:kms:REGION:ACCOUNT:key/KEY-ID")
    assert everything == {"ssm:DescribeParameters", "ssm:GetParameterHistory", "ssm:ListTagsForResource"}


def test_who_may_change_may_also_run_and_audit() -> None:
    assert allowed(CHANGE, PARAMETER) > allowed(RUN, PARAMETER) | allowed(AUDIT, PARAMETER)


def test_the_store_configuration_can_be_read_by_who_writes() -> None:
    assert "ssm:GetParameters" in allowed(CHANGE, CONFIG)


def calls(home: Home, commands: Iterable[tuple[str, ...]]) -> set[str]:
    """The permissions for the calls that `chamber` makes for these commands, as --verbose tells them."""
    called = set()
    for command in commands:
        result = home.run("--verbose", *command, program="chamber")
        assert result.code == 0, f"{command}: {result.err}"
        made = set(re.findall(r"^chamber: (\w+:\w+) ", result.err, flags=re.MULTILINE))
        assert made, f"{command} made no call: {result.err}"
        called |= made
    return {"s3:ListBucket" if call == "s3:ListObjectsV2" else call for call in called}


READING_ANYWHERE = (("exec", "svc", "--", "true"), ("env", "svc"), ("export", "svc"))
READING = (*READING_ANYWHERE, ("exec", "svc:stable", "--", "true"))
AUDITING = (
    ("history", "svc"),
    ("history", "svc", "key"),
    ("list", "svc"),
    ("list-services",),
    ("list-services", "--secrets"),
    ("find", "key"),
    ("tag", "read", "svc", "key"),
)
CHANGING = (
    ("write", "svc", "other", "value"),
    ("write", "svc", "tagged", "value", "--tags", "team=a"),
    ("write", "svc", "key", "value", "--skip-unchanged"),
    ("import", "svc", "import.json"),
    ("read", "svc", "key"),
    ("read", "svc", "key", "--quiet"),
    ("read", "svc", "key", "--version", "1"),
    ("list", "svc", "--expand"),
    ("find", "--by-value", "value"),
    ("label", "svc", "key", "newest"),
    ("tag", "write", "svc", "key", "team=b", "--delete-other-tags"),
    ("tag", "delete", "svc", "key", "team"),
    ("delete", "svc", "other"),
    ("delete", "svc", "--all", "--yes"),
)


@pytest.mark.parametrize(
    ("policy", "commands"),
    [(RUN, READING), (AUDIT, AUDITING), (CHANGE, CHANGING)],
    ids=["run", "audit", "change"],
)
def test_a_policy_allows_the_calls_of_its_commands(
    aws_home: Home, policy: dict, commands: tuple[tuple[str, ...], ...]
) -> None:
    (aws_home.path / "import.json").write_text('{"imported": "value"}')
    for arguments in (("write", "svc", "key", "value"), ("label", "svc", "key", "stable")):
        assert aws_home.run(*arguments, program="chamber").code == 0
    called = calls(aws_home, commands)
    actions = allowed(policy, PARAMETER)
    assert called <= actions
    # And no more than that, but for what a call does on the side: PutParameter adds tags.
    assert actions - called <= {"ssm:AddTagsToResource"}


OTHER_STORES = {
    name: [set(re.findall(r"`(\w+:\w+)`", cell)) for cell in cells]
    for name, *cells in re.findall(r"^\| `([\w-]+)` \| (.*:.*) \| (.*:.*) \|$", TEXT, flags=re.MULTILINE)
}


@pytest.mark.parametrize("backend", ["s3", "s3-kms", "secretsmanager"])
def test_the_other_stores_need_what_is_said(aws_home: Home, moto: Moto, backend: str) -> None:
    bucket = urllib.request.Request(f"{moto.url}/secrets-bucket", method="PUT")
    urllib.request.urlopen(bucket).close()
    aws_home.set(CHAMBER_SECRET_BACKEND=backend, CHAMBER_S3_BUCKET="secrets-bucket")
    run, change = OTHER_STORES[backend]
    changing = calls(aws_home, [("write", "svc", "key", "v1"), ("write", "svc", "key", "v2")])
    assert calls(aws_home, READING_ANYWHERE) == run - {"kms:Decrypt"}
    changing |= calls(
        aws_home,
        [
            ("history", "svc"),
            ("list-services",),
            *([("tag", "write", "svc", "key", "team=b", "--delete-other-tags")] if "s3" in backend else []),
            ("delete", "svc", "key"),
        ],
    )
    assert changing - {"sts:GetCallerIdentity"} == (run | change) - {"kms:Decrypt", "kms:GenerateDataKey"}


# -- tables and reference -------------------------------------------------------------------------------


def test_the_configuration_example_is_one() -> None:
    (config,) = blocks(TEXT, "toml")
    settings.check_names(tomllib.loads(config))


def test_every_setting_with_a_variable_is_told() -> None:
    table = section("## Settings")
    for setting in settings.TABLE:
        for variable in setting.variables:
            assert f"`{variable}`" in table


def test_every_variable_that_exec_keeps_back_is_told() -> None:
    told = section("## The local store")
    assert {name for name in re.findall(r"`(VAULT_EXEC_\w+)`", told)} == {
        name.decode() for name in environ.NOT_INHERITED
    }


def test_every_store_is_told_with_what_it_can() -> None:
    rows = re.findall(r"^\| `([a-z0-9][\w-]*)` \|[^|]*\|(.*)\|$", section("## Stores"), flags=re.MULTILINE)
    told = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    assert list(told) == list(registry.BUILT_IN)
    variables = {"AWS_REGION": "us-east-1", "HOME": "/nonexistent", "CHAMBER_S3_BUCKET": "bucket"}
    for name, cells in told.items():
        store = registry.open_store(Context(settings.load({"backend": name}, variables), variables))
        can = store.features
        plain = [can.history, can.deletions, can.tags, can.labels, can.empty_values]
        swap = "yes" if can.compare_and_swap else "only 0" if can.writable else ""
        assert cells == ["yes" if it else "" for it in plain] + [swap], name


def test_every_format_is_told() -> None:
    rows = re.findall(r"^\| (`.*?) \|.*\| (\w*) ?\|$", section("## Formats"), flags=re.MULTILINE)
    told = {name: bool(imports) for names, imports in rows for name in re.findall(r"`([^`]+)`", names)}
    assert told == {name: name in READABLE for name in FORMATS}


def test_the_reference_is_what_help_prints() -> None:
    assert with_reference(TEXT) == TEXT, "run make reference"


def test_every_link_inside_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= anchors
    for path in re.findall(r"\]\((?!#|\w+:)([^)]*)\)", TEXT):
        assert (README.parent / path.partition("#")[0]).exists(), path
