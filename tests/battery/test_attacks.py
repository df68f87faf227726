"""Names and values as attacks: nothing leaves its namespace, and a terminal is shown nothing that acts on it.

On every store, names with `..`, `//`, a leading dash, NUL, newlines, patterns and letters that only look like
ASCII, in every place where a name can stand: what is no name is refused before the store is asked, what is
one changes nothing but its own service. On a terminal, escapes in values, in names and users that others
wrote, in whatever lists, reads, tells or finds them, and in what is typed.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws import open_store
from tests.support.battery import Property, Tally, some
from tests.support.commands import Home, aws_variables
from tests.support.filling import fill, fill_ssm
from tests.support.local import Place
from tests.support.moto import Moto
from tests.support.proxy import ALWAYS, Exchange, Proxy
from tests.support.s3 import ALIAS, BUCKET, S3, index_of
from tests.support.terminal import Terminal
from vault_exec.errors import NotFoundError, UsageError, VaultExecError
from vault_exec.formats import FORMATS
from vault_exec.store import Store

ATTACKS = Property("attacks by names and values that got through", "attacks", "kinds")


@pytest.fixture(autouse=True)
def counted(tally: Tally) -> None:
    tally.property = ATTACKS


# -- names --------------------------------------------------------------------------------------------------

#: What is neither a service nor a key.
NO_NAMES = [
    *("", "/", "//", "a//b", "/a", "a/", "//victim", "victim/", "/victim/key", "a b", " victim"),
    *("victim ", "victim\n", "\nvictim", "a\0b", "victim\0", "\0", "a\tb", "a\rb", "a\x1b[2J", "\x7f"),
    *("a\u202eb", "a\u2028b", "victim*", "victi?", "[v]ictim", "%", "vict%", "a'b", 'a"b', "a;b"),
    *("a|b", "a&b", "$(id)", "`id`", "${HOME}", "{{victim}}", "%2e%2e", "..%2fvictim", "..\\victim"),
    *("a\\b", "a=b", "a+b", "a,b", "a@b", "a#b", "a?b", "~", "~/x", "ключ", "victım", "ｖｉｃｔｉｍ"),
    *("\u212aey", "\u017fvc", "e\u0301", "ß", "victim\u200b", "\ufeffvictim", "😀", "victim:1"),
    *("victim:stable", "arn:aws:ssm:x", "a\udcff", "\ud800"),
]

#: What is a service by chamber's pattern, and looks like a way out.
NASTY_SERVICES = [
    *("..", ".", "...", "../victim", "../../victim", "./victim", "victim/..", "victim/."),
    *("victim/../victim", "x/../victim", "x/./victim", "-rf", "--help", "-", "--", "_", "-v"),
    *("victim-", "victim.", "victim_", "_victim", "victi", "victim2", "victim.json", "victim/key"),
    *("victim/key.json", "victim/__latest.json", "nul", "con", "__latest.json", ".aws", ".git/config"),
    *("victim/sub/deep", "0", "1e9"),
]
NASTY_KEYS = [
    *("..", ".", "...", "-rf", "--help", "-", "_", "key.json", "key2", "ke", "__latest"),
    *("__latest.json", "nul", "__kms_alias_x__latest", "_chamber_metadata", "__proto__", "constructor"),
    *("latest", "values", "0", "-1", "1e9"),
]

VICTIM = {"key": "untouched", "other": "untouched, too"}


class Ground:
    """A store, and what is in it as somebody sees who looks at it from outside.

    look: all that is there: place → content. owns: whether a place belongs to this service.
    """

    def __init__(
        self,
        store: Store,
        look: Callable[[], dict[str, str]],
        owns: Callable[[str, str], bool],
        calls: Callable[[], int],
    ) -> None:
        self.store = store
        self.look = look
        self.owns = owns
        self.calls = calls


def local(tmp_path: Path, calls: Callable[[], int]) -> Ground:
    place = Place(tmp_path)
    store = place.open()
    store.initialise("file")

    def look() -> dict[str, str]:
        rows = place.sql("SELECT service, key, version, hex(sealed) FROM secrets")
        rows += place.sql("SELECT service, key, -version, hex(sealed) FROM history")
        files = [(str(path), "", 0, "") for path in tmp_path.rglob("*")]
        return {json.dumps(row[:3]): row[3] for row in [*rows, *files]}

    return Ground(store, look, lambda where, service: json.loads(where)[0] == service, calls)


def null(tmp_path: Path, calls: Callable[[], int]) -> Ground:
    store = open_store("null", {})
    return Ground(store, lambda: {str(path): "" for path in tmp_path.rglob("*")}, lambda *_: False, calls)


def ssm(moto: Moto, aws: dict[str, str], calls: Callable[[], int]) -> Ground:
    import boto3

    client = boto3.client("ssm", endpoint_url=moto.url, region_name="us-east-1")

    def look() -> dict[str, str]:
        found = {}
        for page in client.get_paginator("describe_parameters").paginate():
            for parameter in page["Parameters"]:
                answer = client.get_parameter(Name=parameter["Name"], WithDecryption=True)["Parameter"]
                found[parameter["Name"]] = f"{answer['Version']} {answer['Value']}"
        return found

    def owns(where: str, service: str) -> bool:
        return where.startswith(f"/{service}/") and "/" not in where.removeprefix(f"/{service}/")

    return Ground(open_store("ssm", aws), look, owns, calls)


def secretsmanager(moto: Moto, aws: dict[str, str], calls: Callable[[], int]) -> Ground:
    import boto3

    client = boto3.client("secretsmanager", endpoint_url=moto.url, region_name="us-east-1")

    def look() -> dict[str, str]:
        found = {}
        for page in client.get_paginator("list_secrets").paginate():
            for secret in page["SecretList"]:
                answer = client.get_secret_value(SecretId=secret["ARN"], VersionStage="AWSCURRENT")
                found[secret["Name"]] = answer["SecretString"]
        return found

    return Ground(open_store("secretsmanager", aws), look, str.__eq__, calls)


def s3(backend: str, moto: Moto, aws: dict[str, str], calls: Callable[[], int]) -> Ground:
    bucket = S3(moto.url, aws)

    def look() -> dict[str, str]:
        return {name: bucket.get(name)["Body"].decode() for name in bucket.names()}

    def owns(where: str, service: str) -> bool:
        return where.startswith(f"{service}/") and "/" not in where.removeprefix(f"{service}/")

    through = S3(aws["AWS_ENDPOINT_URL"], aws)
    return Ground(through.open(backend), look, owns, calls)


STORES = ("local", "null", "ssm", "s3", "s3-kms", "secretsmanager")


@pytest.fixture
def ground(
    request: pytest.FixtureRequest, tmp_path: Path, moto: Moto, proxy: Proxy, aws: dict[str, str]
) -> Ground:
    def calls() -> int:
        return len(proxy.calls)

    made: dict[str, Callable[[], Ground]] = {
        "local": lambda: local(tmp_path, calls),
        "null": lambda: null(tmp_path, calls),
        "ssm": lambda: ssm(moto, aws, calls),
        "s3": lambda: s3("s3", moto, aws, calls),
        "s3-kms": lambda: s3("s3-kms", moto, aws, calls),
        "secretsmanager": lambda: secretsmanager(moto, aws, calls),
    }
    ground = made[request.param]()
    if request.param != "null":
        for service in ("victim", "victim/sub"):
            ground.store.write_many(service, VICTIM)
    return ground


on_every_store = pytest.mark.parametrize("ground", STORES, indirect=True)


def with_service(store: Store, name: str) -> Iterator[Callable[[], object]]:
    """Everything that takes a service."""
    yield lambda: store.values(name)
    yield lambda: store.read(name, "key")
    yield lambda: store.current(name, ["key"])
    yield lambda: store.list(name)
    yield lambda: store.history(name)
    yield lambda: store.tags(name, "key")
    yield lambda: store.write(name, "key", "attack")
    yield lambda: store.write_many(name, {"key": "attack"})
    yield lambda: store.write_tags(name, "key", {"a": "b"}, delete_others=True)
    yield lambda: store.delete_tags(name, "key", ["a"])
    yield lambda: store.delete(name, "key")
    yield lambda: store.delete_many(name, ["key"])
    yield lambda: store.label(name, "key", "stable")


def with_key(store: Store, name: str) -> Iterator[Callable[[], object]]:
    """Everything that takes a key."""
    yield lambda: store.read("victim", name)
    yield lambda: store.current("victim", [name])
    yield lambda: store.history("victim", name)
    yield lambda: store.tags("victim", name)
    yield lambda: store.write("victim", name, "attack")
    yield lambda: store.write_many("victim", {"key": "untouched", name: "attack"})
    yield lambda: store.write_tags("victim", name, {"a": "b"}, delete_others=True)
    yield lambda: store.delete_tags("victim", name, ["a"])
    yield lambda: store.delete("victim", name)
    yield lambda: store.delete_many("victim", [name])
    yield lambda: store.label("victim", name, "stable")


@on_every_store
def test_what_is_no_name_is_refused_before_the_store_is_asked(ground: Ground, tally: Tally) -> None:
    before = ground.look()
    chance = random.Random(ground.store.name)
    generated = [generate(chance) for _ in range(some(20, 300))]
    for name in [*NO_NAMES[:: some(4, 1)], *generated]:
        tries = []
        if not is_service(name):
            tries += [("a service", call) for call in with_service(ground.store, name)]
        if not is_key(name):
            tries += [("a key", call) for call in with_key(ground.store, name)]
        for what, call in tries:
            calls = ground.calls()
            wrong = None
            try:
                call()
                wrong = "not refused"
            except UsageError as error:
                wrong = "the message acts on a terminal" if acts(f"{error}{error.hint}") else None
            except VaultExecError as error:
                wrong = f"got as far as {type(error).__name__}"
            if ground.calls() != calls:
                wrong = "the store was asked"
            tally.case(f"{name!r}: {wrong}" if wrong else None, kind=f"{what}, {ground.store.name}")
    changed = {where for where in before.keys() | ground.look().keys()} if before != ground.look() else set()
    tally.case(f"changed: {changed}" if changed else None, kind=f"the store as it was, {ground.store.name}")


def generate(chance: random.Random) -> str:
    """Letters of names, and some that are none."""
    alphabet = "abz019_.-" * 3 + "/ \n\t\0:*%?'\"\\$;é\u212a\u017f\u202e\x1b~@"
    return "".join(chance.choice(alphabet) for _ in range(chance.randrange(1, 9)))


def is_service(name: str) -> bool:
    """By chamber's pattern, with Python's own means rather than ours."""
    return re.fullmatch(r"[\w\-.]+(/[\w\-.]+)*", name, re.ASCII) is not None


def is_key(name: str) -> bool:
    return re.fullmatch(r"[\w\-.]+", name, re.ASCII) is not None


@on_every_store
def test_a_name_changes_nothing_but_its_own_service(ground: Ground, tally: Tally) -> None:
    services = NASTY_SERVICES[:: some(6, 1)]
    keys = NASTY_KEYS[:: some(6, 1)]
    pairs = [(service, "key") for service in services] + [("attacker", key) for key in keys]
    for service, key in pairs:
        before = ground.look()
        written = attempt(lambda: ground.store.write(service, key, "attack"))  # noqa: B023 - called at once
        after = ground.look()
        wrong = strangers(ground, before, after, service)
        if written and not wrong:
            wrong = reads_back(ground.store, service, key)
        tally.case(f"write {service} {key}: {wrong}" if wrong else None, kind=f"write, {ground.store.name}")

        before = ground.look()
        attempt(lambda: ground.store.delete(service, key))  # noqa: B023
        attempt(lambda: ground.store.delete_many(service, [key, "key", "other"]))  # noqa: B023
        wrong = strangers(ground, before, ground.look(), service)
        tally.case(f"delete {service} {key}: {wrong}" if wrong else None, kind=f"delete, {ground.store.name}")
    if ground.store.features.writable:
        for service in ("victim", "victim/sub"):
            own = ground.store.values(service)
            tally.case(
                None if own.items() >= VICTIM.items() or service in services else f"{own}", kind="victims"
            )


def attempt(call: Callable[[], object]) -> bool:
    """Whether it was done rather than refused."""
    try:
        call()
    except (UsageError, NotFoundError):
        return False
    except VaultExecError as error:
        if "refused" not in str(error):  # the service itself does not take the name
            raise
        return False
    return True


def strangers(ground: Ground, before: dict[str, str], after: dict[str, str], service: str) -> str | None:
    """The places that changed and do not belong to the service."""
    changed = {where for where in before.keys() | after.keys() if before.get(where) != after.get(where)}
    foreign = sorted(where for where in changed if not ground.owns(where, service))
    return f"changed {foreign}" if foreign else None


def reads_back(store: Store, service: str, key: str) -> str | None:
    if store.values(service) != {key: "attack"}:
        return f"values gives {sorted(store.values(service))}"
    if store.read(service, key).id.service != service:
        return "read gives another service"
    listed = [secret.id.key for secret in store.list(service)]
    if listed != [key]:
        return f"list gives {listed}"
    if service not in store.services(service):
        return "services does not know it"
    return None


@on_every_store
def test_a_prefix_is_a_text_and_no_pattern(ground: Ground, tally: Tally) -> None:
    if ground.store.features.writable:
        for service in ("a_b", "axb", "a.b", "a-b", "ab", "a/b"):
            ground.store.write(service, "key", "value")
    everything = list(ground.store.services())
    for prefix in (
        "a_",
        "a.",
        "a%",
        "a*",
        "a?",
        "%",
        "_",
        "*",
        ".*",
        "a/",
        "/",
        "..",
        "[a]",
        "^a",
        "a\\",
        "vict",
        "A",
    ):
        try:
            found = list(ground.store.services(prefix))
        except VaultExecError as error:
            found = [] if "refused" in str(error) else [str(error)]
        expected = [service for service in everything if service.startswith(prefix)]
        wrong = None if found == expected else f"{prefix!r} gives {found}"
        tally.case(wrong, kind=f"a prefix, {ground.store.name}")


# -- the terminal -------------------------------------------------------------------------------------------

#: What acts on a terminal: C0 but line ends and tabs, DEL, C1, line separators, bidirectional controls.
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

#: What the program itself writes there: line ends, and wiping its line of progress.
_OWN = re.compile("\r\n|\r\x1b\\[K|\n\r?")


def acts(text: str) -> bool:
    return _ACTS.search(_OWN.sub("", text)) is not None


#: Clearing, moving, colours, the title, the clipboard, answers that are typed, bells, C1, bidi.
ESCAPES = [
    *("\x1b[2J\x1b[H", "\x1b[31m", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x07", "\x1b[6n", "\x1bc"),
    *("\x0e\x0f", "\a\b\x0b\x0c", "\r\rover", "\x7f\x9b2J", "\x85\x90\x9d", "\u202egnp.exe"),
    *("\u2066\u2069", "\u2028\u2029", "\x1bP+q\x1b\\", "\x1b[?1049h"),
]
HOSTILE = "start" + "".join(ESCAPES) + "end"

COMMANDS = """
list @
list @ --json
list @ -e
list @ -e --json
list @ -u
read @ key
read @ key -q
read @ key --json
history @
history @ key
history @ --json
history @ --user start
find key
find -v -
find key --json
list-services
list-services -s
list-services -s --json
tag read @ key
exec @ --dry-run -- true
env @
env @ -e
"""

ON_TERMINALS = [*COMMANDS.strip().splitlines(), *(f"export @ -f {name}" for name in FORMATS)]


def shown(home: Home, words: list[str], tally: Tally, kind: str, stdin: bytes | None = None) -> None:
    with Terminal(home, *words, stdin=stdin) as terminal:
        code = terminal.wait(timeout=60)
        wrong = [text for text in ("acts on it",) if acts(terminal.screen)]
        wrong += [] if terminal.is_as_it_was() else ["changed"]
        wrong += ["a traceback"] if "Traceback" in terminal.screen else []
        told = f"{' '.join(words)}: the terminal: {wrong} ({code}): {terminal.screen[:300]!r}"
        tally.case(told if wrong else None, kind=kind)


def lines_for(backend: str, service: str) -> list[list[str]]:
    commands = [line.replace("@", service).split() for line in ON_TERMINALS]
    turn = STORES.index(backend)
    return commands[turn % 7 :: some(7 if backend == "local" else 17, 1)]


def hostile_local(home: Home) -> None:
    fill(home, {"app": {"key": HOSTILE, "other": "x"}})


def hostile_s3(home: Home, moto: Moto, aws: dict[str, str], backend: str) -> None:
    """What another program may have put there: keys and users as hostile as values."""
    bucket = S3(moto.url, aws)
    keys = ["key", f"k{HOSTILE}"]
    entries: dict[str, Any] = dict.fromkeys(keys, HOSTILE)
    if backend == "s3-kms":
        entries = {key: {"version": 1, "value": HOSTILE, "KMSAlias": ALIAS} for key in keys}
    alias = ALIAS if backend == "s3-kms" else None
    for key in ("key",):
        record = {"created": "2026-01-02T03:04:05Z", "created_by": HOSTILE, "version": 1, "value": HOSTILE}
        document = {"service": "app", "key": f"/app/{key}", "values": {"1": record}}
        bucket.put(f"app/{key}.json", document, alias)
    bucket.put(index_of(backend, "app"), {"latest": entries}, alias)
    home.set(**aws_variables(moto.url), VAULT_EXEC_BACKEND=backend, CHAMBER_S3_BUCKET=BUCKET)


def hostile_secretsmanager(home: Home, moto: Moto) -> None:
    import boto3

    keys = {"key": {"created": "2026-01-02T03:04:05Z", "created_by": HOSTILE, "version": 1}}
    document = {"key": HOSTILE, f"k{HOSTILE}": HOSTILE, "_chamber_metadata": json.dumps(keys)}
    client = boto3.client("secretsmanager", endpoint_url=moto.url, region_name="us-east-1")
    client.create_secret(Name="app", SecretString=json.dumps(document))
    client.close()
    home.set(**aws_variables(moto.url), VAULT_EXEC_BACKEND="secretsmanager")


def hostile_ssm(home: Home, moto: Moto, proxy: Proxy) -> None:
    """moto knows one user only, so the answers get another on their way."""

    def change(exchange: Exchange) -> None:
        status, headers, body = exchange.forward()
        document = json.loads(body)
        for entry in document.get("Parameters") or []:
            entry["LastModifiedUser"] = HOSTILE
            entry["Labels"] = [HOSTILE]
        for tag in document.get("TagList") or []:
            tag["Value"] = HOSTILE
        exchange.send(status, headers, json.dumps(document).encode())

    fill_ssm(moto.url, {"app": {"key": HOSTILE, "other": "x"}})
    for operation in (
        "DescribeParameters",
        "GetParameterHistory",
        "ListTagsForResource",
        "GetParametersByPath",
    ):
        proxy.spoil(operation, change, times=ALWAYS)
    home.set(**aws_variables(proxy.url), VAULT_EXEC_BACKEND="ssm")


@pytest.mark.parametrize("backend", [store for store in STORES if store != "null"])
def test_a_terminal_is_shown_nothing_that_acts_on_it(
    backend: str, home: Home, moto: Moto, proxy: Proxy, aws: dict[str, str], tally: Tally
) -> None:
    made: dict[str, Callable[[], None]] = {
        "local": lambda: hostile_local(home),
        "ssm": lambda: hostile_ssm(home, moto, proxy),
        "s3": lambda: hostile_s3(home, moto, aws, "s3"),
        "s3-kms": lambda: hostile_s3(home, moto, aws, "s3-kms"),
        "secretsmanager": lambda: hostile_secretsmanager(home, moto),
    }
    made[backend]()
    for words in lines_for(backend, "app"):
        stdin = HOSTILE.encode() if words[-1] == "-" else None
        shown(home, words, tally, f"on a terminal, {backend}", stdin)


def test_what_is_typed_comes_back_harmless(home: Home, tally: Tally) -> None:
    fill(home, {"app": {"key": "value"}})
    for escape in [HOSTILE, *ESCAPES[:: some(6, 1)]]:
        for words in (
            ["list", f"a{escape}"],
            ["read", "app", f"a{escape}"],
            ["-b", f"a{escape}", "list", "app"],
            [f"a{escape}"],
            ["list", f"--a{escape}", "app"],
            ["exec", "app", "--", f"a{escape}"],
            ["export", "app", "-f", f"a{escape}"],
            ["import", "app", f"a{escape}"],
        )[:: some(3, 1)]:
            shown(home, words, tally, "on a terminal, typed")


def test_what_a_pipe_gets_is_exact(home: Home, tally: Tally) -> None:
    """Only terminals are spared: programs get every byte."""
    fill(home, {"app": {"key": HOSTILE}})
    done = home.run("read", "app", "key", "-q")
    tally.case(None if done.out == HOSTILE + "\n" else repr(done), kind="a pipe")
    listed = json.loads(home.run("list", "app", "-e", "--json").out)
    tally.case(None if listed[0]["value"] == HOSTILE else repr(listed), kind="a pipe")
