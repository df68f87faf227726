"""No value leaks: it shows where the user asked for it, and nowhere else.

Every command on every store, going well and failing in every way that can be provoked, told to say more
(`--verbose`, PYTHONDEVMODE, loggers at DEBUG), and with errors forced in every function on the way. Looked at
are standard output where no value was asked for, standard error, the arguments of all processes, and all
files under HOME and TMPDIR. What signs calls to AWS and what opens the local store are looked for, too.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.support.aws import open_store
from tests.support.battery import LONG, Property, Tally, some
from tests.support.commands import SCRIPTS, Home, aws_variables
from tests.support.filling import fill
from tests.support.leaks import PASSPHRASE, TOKEN, VALUE, Arguments, found, found_in_files
from tests.support.moto import Moto
from tests.support.processes import prepared
from tests.support.proxy import ALWAYS, Fault, Proxy, answers, refused, web_page
from tests.support.s3 import BUCKET, S3
from vault_exec import registry, settings
from vault_exec.formats import FORMATS
from vault_exec.store import Context

LEAKS = Property("leaks of a value", "runs", "kinds")

#: A value as hard to hide as can be: long, of several lines, with what formats and terminals trip over.
CANARY = f"{VALUE * 3}\n'\"\\ ${{{VALUE}}} $({VALUE}) \x1b[31m{VALUE}\t{{{{ {VALUE} }}}} {VALUE * 2}"
PLAIN = VALUE * 4

AWS = ("ssm", "s3", "s3-kms", "secretsmanager")

DAMAGED = answers(f'{{"Parameters": "{PLAIN}", "SecretString": "{PLAIN}", "latest": "{PLAIN}'.encode())


def echo(code: str, status: int = 400) -> Fault:
    """A refusal that repeats what it does not like, as services do."""
    return refused(status, code, f"1 validation error detected: Value '{PLAIN}' at 'value' is {CANARY!r}")


class Case:
    """One call of the program.

    words: `@` is the service, which has `key` and `other`. stdin: what it reads. file: what the file `given`
    holds. asked: standard output is to show the value. output: the file that is to hold it. faults: what AWS
    does, by operation.
    """

    def __init__(
        self,
        words: str | Sequence[str],
        stdin: str | bytes = "",
        *,
        file: str | bytes = "",
        asked: bool = False,
        faults: Mapping[str, Fault] | None = None,
        output: str = "",
        **variables: str,
    ) -> None:
        self.words = words.split() if isinstance(words, str) else list(words)
        self.stdin = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
        self.file = file.encode("utf-8") if isinstance(file, str) else file
        self.asked = asked
        self.faults = faults or {}
        self.output = output
        self.variables = variables

    def __str__(self) -> str:
        return " ".join(self.words)[:100].replace(VALUE, "…")


# -- the calls ----------------------------------------------------------------------------------------------

READING = """
list @
list @ --json
list @ -tuv
list nobody
list @:nosuch
list @ --timeout 0.001 --retries 1
list @ --verbose --retries 1
history @
history @ key
history @ nobody
history @ --json
list-services
list-services -s
find key
find nobody
read @ nobody
read @ key -v 99
read @ KEY -v 2
read @ key -v nosuch
tag read @ key
export @ -o no/such/folder/exported
export @ -o /dev/full
export @ -f nosuch
export @ nobody
env nobody @
"""

SHOWING = """
read @ key
read @ key -q
read @ key --json
read @ key -v 1
list @ -e
list @ -e --json
env @
env @ -e
env @ -p
exec @ -- /usr/bin/env
"""

RUNNING = """
exec @ -- true
exec @ --verbose -- true
exec @ --dry-run -- true
exec @ nobody -- true
exec @ -- no-such-command
exec @ -- /etc/passwd
exec @ --strict -- true
exec @ true
exec @ --require NOBODY -- true
exec @ --only nobody -- true
exec @ @ -- true
exec @ --names nosuch -- true
exec @ --prefix = -- true
exec @ --bogus -- true
exec @ --pristine --quiet -- /bin/true
exec @ --no-clobber -- true
"""

WRITING = """
write @ new -
write @ key -
write @ new
write @ key -s -
write @ key - --skip-unchanged
write @ key - --if-version 99
write @ key - --if-version 0
write @ new - -t team=a
write @ key - -t team=a
write @ new - -t bad=é
write @ new --from-file given
write @ BAD/KEY -
write @//x new -
write @ new - --verbose
write @ new - --retries 1
"""

OTHERS = """
--help
help
help write
write --help
exec --help
version
--version
completion bash
completion zsh
completion fish
__complete
nosuch
tag
tag nosuch
tag write @ key a=b
tag write @ key bad
tag delete @ key a
label @ key stable
delete @ nobody
delete @ other
delete @ --all
delete @ --all --yes
-b nosuch list @
--timeout x list @
--retries 0 list @
write @ new --generate
write @ new --generate --length 0
write @ new --from-file no/such/file
init
rekey
rekey --wrap-only
import @ no/such/file
"""

IMPORTING = """
import @ given --format json
import @ given --format json --dry-run
import @ given --format json --prune
import @ given --format json --prune --yes
import @ given --format json --force
import @ given --format json --verbose
import @ given --format json --exact-key
import @ given --format json -t team=a
import @ given --format nosuch
import @ -
"""

#: What no store holds.
BAD_VALUES = (
    b"\xff" + PLAIN.encode(),
    PLAIN.encode() + b"\0",
    PLAIN.encode() * 30_000,
    CANARY.encode() + b"\xed\xa0\x80",
)

#: Files that something is wrong with, by format; the error tells the place, not what stands there (here `@`).
MALFORMED: Mapping[str, Sequence[str]] = {
    "json": (
        *('{"new": "@', '{"new": @}', '{"new": {"a": "@"}}', '{"new": ["@"]}', '{"new": null, "b": "@"}'),
        *('["@"]', '"@"', '{"new": "@", "new": "@"}', '{"new": "@" "x": 1}', '{"new": "\\x@"}'),
        *('{"bad key": "@"}', '{"new": "@\\u0000"}', '{"new": "\\ud800@"}', '{"new": "@"}@'),
    ),
    "yaml": (
        *("new: [@", "new: {a: @}", "new: &@ x\nb: *@@", "new: *@", "- @", "@", "new: @\n\tb: @", 'new: "@'),
        *("new: !@ x", "new: @\nnew: @", "%@\n---\na", "new: @: @", "new: '@\n", "new: @\n---\nb: @"),
        *("? [@]\n: x", "new: \x01@"),
    ),
    "dotenv": ("NEW", "NEW='@", 'NEW="@', "@", "NEW=@\nNEW=@", "NEW=$@\n=@", "bad name=@", "export @"),
    "csv": ("new", 'new,"@', "new,@,@", "new,@\nnew,@", 'new,"@"@', "@"),
    "tsv": ("new", 'new\t"@', "new\t@\t@", "new\t@\nnew\t@", "@"),
    "java-properties": ("new=\\u12@", "new=@\nnew=@", "\\u@=x", "new=\\ud800@", "@\\"),
}


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def on_every_store() -> Iterator[Case]:
    yield from map(Case, lines(READING + RUNNING + OTHERS))
    yield from (Case(words, asked=True) for words in lines(SHOWING))
    for name in FORMATS:
        yield Case(f"export @ -f {name}", asked=True)
        yield Case(f"export @ -f {name} -o exported", output="exported")
    for value in (PLAIN, CANARY + "\n", *BAD_VALUES):
        yield from (Case(words, value, file=value) for words in lines(WRITING))
    yield Case("find -v -", CANARY)
    yield Case("find -v -", PLAIN + "x")
    yield Case("exec @ --strict -- true", KEY=PLAIN, OTHER="chamberme")
    yield Case("exec @ --strict --strict-value fill -- true", KEY="fill", MISSING="fill")
    yield Case(["exec", "@", "--", "true", *["x" * 100_000] * 90])
    good = f'{{"key": "{PLAIN}", "new": "{PLAIN}x", "third": "{PLAIN}"}}'
    yield from (Case(words, good, file=good) for words in lines(IMPORTING))


def before_a_store_is_asked() -> Iterator[Case]:
    yield Case("list @", VAULT_EXEC_CONFIG="given", file=f'backend = "{PLAIN}')
    yield Case("list @", VAULT_EXEC_CONFIG="given", file=f'retries = 3\nkms-key-alias = ["{PLAIN}')
    yield Case("import @ given", file=b"\xff\xfe" + PLAIN.encode("utf-16-le"))
    yield from (Case("import @ given --format dotenv", file=b"NEW=" + value) for value in BAD_VALUES)
    for name, texts in MALFORMED.items():
        yield from (Case(f"import @ given --format {name}", file=text.replace("@", PLAIN)) for text in texts)


#: The user put the value into the arguments, where all can see it; no message repeats it.
TYPED = (
    ["write", "@", "new", PLAIN],
    ["write", "@", "new", CANARY],
    ["write", "@", "new", PLAIN, PLAIN],
    ["write", "@", "new", f"--{PLAIN}"],
    ["write", "@", "new", f"-x{PLAIN}"],
    ["write", "@", "new", f"{PLAIN}\udcff"],
    ["write", "@", "--length", PLAIN],
    ["write", "@", "new", "--from-file", "given", PLAIN],
    ["find", "-v", CANARY],
    ["find", PLAIN],
    ["find", PLAIN, PLAIN],
    ["find", "-v", f"--{PLAIN}"],
)


#: What AWS may say to each change and each reading, and what it says repeats the value.
def faulty(backend: str) -> Iterator[Case]:
    puts = {"ssm": ["PutParameter"], "secretsmanager": ["PutSecretValue", "CreateSecret"]}.get(
        backend, ["PutObject"]
    )
    gets = {"ssm": ["GetParametersByPath", "GetParameters"], "secretsmanager": ["GetSecretValue"]}.get(
        backend, ["GetObject"]
    )
    codes = ("ValidationException", "AccessDeniedException", "InvalidRequestException", "InternalServerError")
    codes += (
        "ThrottlingException",
        "ParameterPatternMismatchException",
        "InvalidArgument",
        "KMS.DisabledException",
    )
    for code in codes:
        refusals = dict.fromkeys(puts, echo(code))
        for words in ("write @ new -", "write @ key - --verbose", "import @ - --format dotenv"):
            text = f"new={PLAIN}\n" if "dotenv" in words else PLAIN
            yield Case(f"--retries 1 {words}", text, faults=refusals)
    for fault in (DAMAGED, web_page, answers(PLAIN.encode()), answers(f'{{"{PLAIN}": '.encode())):
        for words in ("list @ -e", "export @", "exec @ -- true", "read @ key", "read @ key -q", "find -v -"):
            yield Case(f"--retries 1 {words} --verbose", CANARY, faults=dict.fromkeys(gets, fault))
            yield Case(f"--retries 1 {words}", CANARY, faults=dict.fromkeys(gets, fault))
    for fault in (DAMAGED, web_page, answers(PLAIN.encode())):
        yield Case("--retries 1 write @ new -", PLAIN, faults=dict.fromkeys(puts, fault))


# -- saying more --------------------------------------------------------------------------------------------

#: What somebody does who wants to see everything: loggers that were asked for before we came.
_LOGGING = """
import logging
logging.basicConfig(level=logging.DEBUG)
for name in ("botocore", "botocore.endpoint", "botocore.parsers", "botocore.auth", "botocore.hooks",
             "botocore.httpsession", "botocore.retryhandler", "urllib3", "urllib3.connectionpool"):
    logging.getLogger(name).setLevel(logging.DEBUG)
"""

MODES: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "devmode": {"PYTHONDEVMODE": "1", "PYTHONTRACEMALLOC": "5", "PYTHONWARNINGS": "always"},
    "logging": {"PYTHONPATH": "hooks"},
    "verbose": {"PYTHONFAULTHANDLER": "1", "PYTHONVERBOSE": "1", "PYTHONINSPECT": "1"},
}


# -- running them -------------------------------------------------------------------------------------------


class Ground:
    """Where cases run: each in a home of its own, on a service of its own."""

    def __init__(self, backend: str, folder: Path, moto: Moto, aws: dict[str, str]) -> None:
        self.backend = backend
        self._folder = folder
        self._moto = moto
        self._aws = aws
        self._numbers = count()
        if backend == "local":
            self._template = Home(folder / "template")
            self._template.path.mkdir()
            environ = {**self._template.environ, "VAULT_EXEC_PASSPHRASE": PASSPHRASE}
            context = Context(settings.load({"backend": "local"}, environ), environ)
            with registry.open_store(context) as store:
                store.initialise("passphrase" if LONG else "file")  # the passphrase costs 0.1 s a run
                self._fill(store, "app")

    @property
    def url(self) -> str:
        """The endpoint of its AWS."""
        return self._moto.url

    def _fill(self, store: object, service: str) -> None:
        values = {"key": PLAIN if self.backend == "ssm" else CANARY, "other": PLAIN}
        store.write_many(service, values)  # type: ignore[attr-defined]
        store.write(service, "key", PLAIN)  # type: ignore[attr-defined]
        store.write(service, "key", values["key"])  # type: ignore[attr-defined]

    def prepare(self) -> tuple[Home, str]:
        """A home with its services filled, and the service's name."""
        number = next(self._numbers)
        path = self._folder / f"home{number}"
        if self.backend == "local":
            shutil.copytree(self._template.path, path)
            home = Home(path, VAULT_EXEC_PASSPHRASE=PASSPHRASE)
            service = "app"
        else:
            path.mkdir()
            service = f"app{number}"
            home = Home(path, VAULT_EXEC_BACKEND=self.backend, CHAMBER_S3_BUCKET=BUCKET)
            home.set(**aws_variables(self._moto.url))
            home.set(AWS_SECRET_ACCESS_KEY=TOKEN * 3, AWS_SESSION_TOKEN=TOKEN * 9)
            if self.backend.startswith("s3"):
                with S3(self._moto.url, self._aws).open(self.backend) as store:
                    self._fill(store, service)
            elif self.backend != "null":
                with open_store(self.backend, self._aws) as store:
                    self._fill(store, service)
        for name in ("tmp", "hooks"):
            (path / name).mkdir()
        (path / "hooks" / "sitecustomize.py").write_text(_LOGGING)
        home.set(TMPDIR=str(path / "tmp"), VAULT_EXEC_CONFIG="")
        return home, service


def run(
    home: Home, service: str, case: Case, mode: str, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run one case in one mode. before: a command that runs it."""
    if case.file:
        (home.path / "given").write_bytes(case.file)
    words = [word if VALUE in word else word.replace("@", service) for word in case.words]
    return subprocess.run(
        [*before, str(SCRIPTS / "vault-exec"), *words],
        input=case.stdin,
        capture_output=True,
        env={**home.environ, **MODES[mode], **case.variables},
        cwd=home.path,
        timeout=120,
        start_new_session=True,
    )


def problem(home: Home, case: Case, done: subprocess.CompletedProcess[bytes]) -> str | None:
    """What shows where it must not; and a traceback, for that may show anything."""
    allowed = frozenset(home.path / name for name in ("given", case.output) if name)
    wrong = [f"standard error shows {word}" for word in found(done.stderr)]
    wrong += [] if case.asked else [f"standard output shows {word}" for word in found(done.stdout)]
    wrong += found_in_files(home.path, but=allowed)
    wrong += ["a traceback"] if b"Traceback" in done.stderr + done.stdout else []
    return "; ".join(wrong) or None


BACKENDS = ("local", "null", *AWS)


@pytest.fixture
def ground(request: pytest.FixtureRequest, tmp_path: Path, moto: Moto, aws: dict[str, str]) -> Ground:
    """The ground of the backend that the test's parameter names."""
    if request.param.startswith("s3"):
        S3(moto.url, aws)  # makes the bucket
    return Ground(request.param, tmp_path, moto, aws)


def on(*backends: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("ground", backends, indirect=True)


@pytest.fixture(autouse=True)
def arguments(tally: Tally) -> Iterator[Arguments]:
    """All processes' arguments are watched during each test."""
    tally.property = LEAKS
    with Arguments() as arguments:
        yield arguments
    assert arguments.looks > 0


def cases(backend: str) -> list[tuple[Case, str]]:
    """The cases of a backend, each with a mode. What never reaches a store runs once."""
    if backend == "local":
        whole = [*on_every_store(), *before_a_store_is_asked()]
        return [(case, mode) for case in whole for mode in ("plain", "devmode")][:: some(41, 1)]
    if backend == "null":
        return [(case, "plain") for case in on_every_store()][:: some(90, 4)]
    turn = AWS.index(backend)
    mine = [*list(on_every_store())[turn % 2 :: 2], *faulty(backend)]
    modes = list(MODES)
    return [(case, modes[number % len(modes)]) for number, case in enumerate(mine)][turn :: some(90, 1)]


@on(*BACKENDS)
def test_what_was_not_asked_for_does_not_show(ground: Ground, tally: Tally, arguments: Arguments) -> None:
    def try_one(pair: tuple[Case, str]) -> None:
        case, mode = pair
        home, service = ground.prepare()
        proxy = None
        if case.faults:
            proxy = Proxy(ground.url)
            for operation, fault in case.faults.items():
                proxy.spoil(operation, fault, times=ALWAYS)
            home.set(AWS_ENDPOINT_URL=proxy.url)
        try:
            done = run(home, service, case, mode)
        finally:
            if proxy is not None:
                proxy.stop()
        wrong = problem(home, case, done)
        kind = f"{ground.backend}, {mode}"
        tally.case(f"{case}: {wrong} (code {done.returncode})" if wrong else None, kind=kind)
        if (
            case.asked
            and done.returncode == 0
            and ground.backend != "null"
            and VALUE.encode() not in done.stdout
        ):
            encoded = "k8s" in str(case)
            assert encoded, f"{case} does not show what was asked for, so the search would find nothing"
        shutil.rmtree(home.path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(try_one, cases(ground.backend)))
    for line in arguments.seen:
        tally.case(f"the arguments of a process: {line!r}", kind="arguments")


@on(*(BACKENDS if LONG else ("local",)))
def test_what_was_typed_is_not_repeated(ground: Ground, tally: Tally) -> None:
    for words in TYPED[: some(2, len(TYPED))]:
        home, service = ground.prepare()
        case = Case(words, file="x")
        done = run(home, service, case, "plain")
        wrong = problem(home, case, done)
        kind = f"{ground.backend}, typed"
        tally.case(f"{case}: {wrong}: {done.stderr!r}" if wrong else None, kind=kind)


# -- errors forced in every function ------------------------------------------------------------------------

# Appends the name of each function that returns to the file RECORD, or raises an error that holds the value
# when the function BREAK returns.
_FORCE = """
import os, sys, threading

FOLDERS = ("vault_exec", "vault_exec_backends", "botocore", "urllib3", "click", "cryptography")
record, place = os.environ.get("RECORD"), os.environ.get("BREAK")
names = {}

def name_of(code):
    if code not in names:
        parts = code.co_filename.split("/")
        ours = next((n for n, part in enumerate(parts) if part in FOLDERS), None)
        known = ours is not None and code.co_name != "<module>"
        names[code] = "/".join(parts[ours:]) + ":" + code.co_qualname if known else None
        if record and names[code]:
            with open(record, "a") as file:
                file.write(names[code] + "\\n")
    return names[code]

def hook(frame, event, result):
    if event == "return" and name_of(frame.f_code) == place and place:
        kind = (RuntimeError, ValueError, KeyError, OSError, TypeError)[len(place) % 5]
        raise kind(os.environ["LEAK"])

sys.setprofile(hook)
threading.setprofile(hook)
"""

FORCED = (
    Case("exec @ -- true"),
    Case("list @ -e", asked=True),
    Case("read @ key", asked=True),
    Case("export @ -f dotenv -o exported", output="exported"),
    Case("write @ new -", PLAIN),
    Case("import @ - --format json", f'{{"key": "{PLAIN}", "new": "{PLAIN}"}}'),
    Case("find -v -", PLAIN),
)


@on(*(("local", *AWS) if LONG else ("local",)))
def test_an_error_in_any_function_shows_no_value(
    ground: Ground, tally: Tally, tmp_path: Path, arguments: Arguments
) -> None:
    hooks = tmp_path / "force"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(_FORCE)
    forced = {"PYTHONPATH": str(hooks), "LEAK": PLAIN}

    def functions(number: int, case: Case) -> list[str]:
        home, service = ground.prepare()
        record = tmp_path / f"record{number}"
        home.set(**forced, RECORD=str(record))
        run(home, service, case, "plain")
        return list(dict.fromkeys(record.read_text().split("\n")[:-1]))

    def try_one(pair: tuple[Case, str]) -> None:
        case, place = pair
        home, service = ground.prepare()
        home.set(**forced, BREAK=place)
        done = run(home, service, case, "plain")
        wrong = problem(home, case, done)
        kind = f"{ground.backend}, an error in a function"
        tally.case(f"{case} broken at {place}: {wrong}: {done.stderr!r}" if wrong else None, kind=kind)
        shutil.rmtree(home.path)

    mine = FORCED if LONG else FORCED[:1]
    places = [(case, place) for number, case in enumerate(mine) for place in functions(number, case)]
    step = max(1, len(places) // some(3, 100))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(try_one, places[step // 2 :: step]))
    for line in arguments.seen:
        tally.case(f"the arguments of a process: {line!r}", kind="arguments")


# -- what no look from outside sees -------------------------------------------------------------------------

WATCHED = (
    Case("exec @ -- true"),
    Case("write @ new -", PLAIN),
    Case("write @ new --from-file given", file=PLAIN),
    Case("read @ key", asked=True),
    Case("list @ -e", asked=True),
    Case("find -v -", PLAIN),
    Case("export @ -f dotenv", asked=True),
    Case("export @ -f yaml -o exported", output="exported"),
    Case("import @ given --format json", file=f'{{"key": "{PLAIN}", "new": "{PLAIN}"}}'),
    Case("rekey"),
    Case("delete @ key"),
)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@on(*(("local", "ssm", "s3") if LONG else ("local",)))
def test_nothing_is_written_but_where_it_was_asked_for(ground: Ground, tally: Tally) -> None:
    """Also to files that are gone by the end; and no other program is started with a value."""
    for case in WATCHED[:: some(5, 1)]:
        home, service = ground.prepare()
        trace = home.path.parent / f"{home.path.name}.trace"
        calls = "trace=write,writev,pwrite64,pwritev,execve"
        strace = ["strace", "-f", "-qq", "-yy", "-s", "1000000", "-e", calls, "-o", str(trace)]
        run(home, service, case, "plain", before=strace)
        shown = [line for line in trace.read_bytes().splitlines() if found(line)]
        wrong = [line[:300] for line in shown if not is_allowed(line, case)]
        tally.case(f"{case}: {wrong}" if wrong else None, kind=f"{ground.backend}, system calls")


def is_allowed(line: bytes, case: Case) -> bool:
    """Whether the value may go there: to the store, to standard output, or to the file that was asked for."""
    call, _, rest = line.partition(b"(")
    target = rest.partition(b">,")[0]
    if b"execve" in call:
        return False
    if b"<TCP" in target or (case.asked and target.startswith(b"1<")):
        return True
    return bool(case.output) and b"/.vault-exec-" in target


_ABORT = """
import os, sys

def hook(frame, event, result):
    if event == "return" and frame.f_code.co_qualname == "load" and "environ" in frame.f_code.co_filename:
        os.abort()

sys.setprofile(hook)
"""


def test_a_crash_with_all_values_in_memory_leaves_no_core(home: Home, tally: Tally) -> None:
    fill(home, {"app": {"key": CANARY}})
    hooks = home.path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(_ABORT)
    unlimited = prepared("hard = resource.getrlimit(4)[1]; resource.setrlimit(4, (hard, hard))")
    crash = [*unlimited, "/bin/sh", "-c", "kill -ABRT $$"]
    subprocess.run(crash, cwd=home.path, env=home.environ, check=False)
    cores = list(home.path.glob("core*"))
    if not cores:
        tally.note("core dumps: this machine writes none where a test can see them")
    for core in cores:
        core.unlink()
    for _ in range(some(1, 20)):
        command = [*unlimited, str(SCRIPTS / "vault-exec"), "exec", "app", "--", "true"]
        done = subprocess.run(command, cwd=home.path, env={**home.environ, "PYTHONPATH": str(hooks)})
        assert done.returncode == -signal.SIGABRT
        left = [*home.path.glob("core*"), *found_in_files(home.path)]
        tally.case(str(left) if left else None, kind="a crash")
