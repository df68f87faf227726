"""A hostile start: whatever the environment, the working folder and the open files are, the program starts
with exactly what was inherited and the secrets, or a clear error says why it does not.

The image's entry point (`python -I`) promises all of it, pip's script from its first line on: what Python
does before that (PYTHONHOME, sitecustomize) cannot be helped there. No Python starts with a folder as its
standard input.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.battery import Property, Tally, some
from tests.support.commands import SCRIPTS, Home, aws_variables
from tests.support.filling import fill, fill_ssm
from tests.support.moto import Moto
from tests.support.processes import raw_exec
from vault_exec.environ import NOT_INHERITED

WRONG_STARTS = Property("hostile starts that went wrong", "starts", "kinds")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="builds environments with execve(2) and /proc"
)

SECRETS = {"svc": {"db-host": "h", "url": "u"}}

CHECKOUT = Path(__file__).parents[2]

PIP = ("pip",)

#: What stands in files that must not be read or run.
TAKEN = "taken-over"
_TAKE = f"""
with open({TAKEN!r}, "a") as file:
    file.write(__file__)
raise SystemExit("taken over")
"""


class Start:
    """One way to be started.

    entries: what the environment holds besides, or instead of variables of that name. without: variables that
    are not there. files: what the working folder holds. code: what the process does before it is us.
    before_us: the entry points with which Python ends, or is taken over, before our first line.
    says: words that standard error must hold, empty for silence, None for anything. refused: it ends with an
    error.
    """

    def __init__(
        self,
        *entries: str | bytes,
        without: Sequence[str] = (),
        files: dict[str, str] | None = None,
        code: str = "",
        before_us: Sequence[str] = (),
        says: str | None = "",
        refused: bool = False,
    ) -> None:
        self.entries = [os.fsencode(entry) for entry in entries]
        self.without = {os.fsencode(name) for name in without}
        self.files = files or {}
        self.code = code
        self.before_us = before_us
        self.says = says
        self.refused = refused


#: chamber's warning, where the environment has such a variable already.
OVERWRITES = "warning: service svc overwriting environment variable URL\n"


# -- Python's own variables ---------------------------------------------------------------------------------


def modules_of_start() -> set[str]:
    """What Python has imported before the first line of a script."""
    code = "import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})
    return set(done.stdout.split())


#: Everything that we or what we use may import, in the folder that PYTHONPATH names.
SHADOWED = sorted(
    {*sys.stdlib_module_names, "botocore", "boto3", "click", "cryptography", "keyring", "yaml", "urllib3"}
    | {
        "jmespath",
        "dateutil",
        "six",
        "cffi",
        "_cffi_backend",
        "jaraco",
        "vault_exec_backends",
        "sitecustomise",
    }
)


def evil(*, whole: bool) -> dict[str, str]:
    """Modules that take over whoever imports them. whole: also those that Python imports before our first
    line, and ourselves; `__future__` is what our first line imports."""
    spared = {"vault_exec"} if whole else {*modules_of_start(), "__future__", "vault_exec"}
    names = [name for name in SHADOWED if name not in spared]
    names += ["vault_exec", "sitecustomize", "usercustomize"] if whole else []
    return {f"evil/{name}.py": _TAKE for name in names}


SILENT = ["PYTHONNOUSERSITE=1", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1", "PYTHONCASEOK=1"]
SILENT += ["PYTHONOPTIMIZE=2", "PYTHONHASHSEED=0", "PYTHONUTF8=0", "PYTHONUTF8=1", "PYTHONCOERCECLOCALE=0"]
SILENT += ["PYTHONINSPECT=1", "PYTHONSTARTUP=evil.py", "PYTHONBREAKPOINT=evil.hook", "PYTHONMALLOC=debug"]
SILENT += [
    "PYTHONTRACEMALLOC=1",
    "PYTHONSAFEPATH=1",
    "PYTHONPYCACHEPREFIX=cache",
    "PYTHONINTMAXSTRDIGITS=640",
]
SILENT += ["PYTHONFAULTHANDLER=1", "PYTHONIOENCODING=utf-16", "PYTHONIOENCODING=ascii:strict"]
SILENT += [
    "PYTHONUSERBASE=evil",
    "PYTHONEXECUTABLE=/nonexistent",
    "PYTHONASYNCIODEBUG=1",
    "PYTHONNODEBUGRANGES=1",
]
SILENT += ["PYTHONWARNINGS=error", "PYTHONWARNINGS=error::DeprecationWarning"]
NOISY = [
    "PYTHONVERBOSE=1",
    "PYTHONPROFILEIMPORTTIME=1",
    "PYTHONDEVMODE=1",
    "PYTHONDEBUG=1",
    "PYTHONDUMPREFS=1",
]
NOISY += ["PYTHONCOERCECLOCALE=warn", "PYTHONWARNINGS=nonsense", "PYTHONWARNINGS=always"]
FATAL = ["PYTHONHOME=/nonexistent", "PYTHONHASHSEED=bad", "PYTHONPLATLIBDIR=nonexistent", "PYTHONUTF8=bad"]
FATAL += ["PYTHONEXECUTABLE=/nonexistent", "__PYVENV_LAUNCHER__=/nonexistent"]
FATAL += ["PYTHONIOENCODING=no-such-encoding", "PYTHONMALLOC=bad", "PYTHONTRACEMALLOC=bad"]

PYTHON = {
    **{entry: Start(entry, files={"evil.py": _TAKE}) for entry in SILENT},
    **{entry: Start(entry, says=None) for entry in NOISY},
    **{entry: Start(entry, before_us=PIP) for entry in FATAL},
    "PYTHONPATH with what we import": Start("PYTHONPATH=evil", files=evil(whole=False)),
    "PYTHONPATH, by its whole path and others": Start(
        "PYTHONPATH=/nonexistent:evil::.",
        files={**evil(whole=False), "click.py": _TAKE, "resource.py": _TAKE},
    ),
    "PYTHONPATH with everything": Start("PYTHONPATH=evil", files=evil(whole=True), before_us=PIP),
}


# -- the working folder, the home, who we are ---------------------------------------------------------------

CONFIG = 'backend = "nosuch"\n'
AWS_CONFIG = f"[default]\nregion = nowhere\ncredential_process = touch {TAKEN}\n"

NOBODY = """
import ctypes
me = os.geteuid()
assert ctypes.CDLL(None).unshare(0x10000000) == 0
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/uid_map", "w").write(f"12345 {me} 1")
open("/proc/self/gid_map", "w").write(f"12345 {os.getegid()} 1")
"""


def namespaces_are_possible() -> bool:
    done = subprocess.run([sys.executable, "-c", f"import os\n{NOBODY}"], capture_output=True)
    return done.returncode == 0


_IN_FOLDER = {
    **dict.fromkeys(["click.py", "sitecustomize.py", "usercustomize.py", "os.py", "encodings.py"], _TAKE),
    **dict.fromkeys(["vault_exec/__init__.py", "botocore/__init__.py", "sqlite3/__init__.py"], _TAKE),
    **dict.fromkeys(["config.toml", "vault-exec/config.toml", ".config/vault-exec/config.toml"], CONFIG),
    **dict.fromkeys(["~/.aws/config", ".aws/config", "~/.aws/credentials", "config"], AWS_CONFIG),
    **dict.fromkeys([".env", "pyvenv.cfg", ".python-version", "setup.cfg", "pyproject.toml"], "x = y\n"),
}

AROUND = {
    "files in the working folder": Start(files=_IN_FOLDER),
    "files there, and no HOME": Start(without=["HOME"], files=_IN_FOLDER),
    "files there, and HOME is empty": Start("HOME=", files=_IN_FOLDER),
    "HOME is no folder": Start("HOME=/dev/null"),
    "HOME is not there": Start("HOME=/nonexistent"),
    "HOME is relative": Start("HOME=.", files=_IN_FOLDER),
    "HOME is no text": Start(b"HOME=/\xff\xfe"),
    "XDG folders are relative": Start("XDG_CONFIG_HOME=vault", "XDG_DATA_HOME=data", files=_IN_FOLDER),
    "TMPDIR is not there": Start("TMPDIR=/nonexistent"),
    "the working folder is gone": Start(code="os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"),
    "the working folder's name is no text": Start(code="os.mkdir(b'\\xff'); os.chdir(b'\\xff')"),
    **(
        {
            "a user without a name": Start(code=NOBODY),
            "a user without a name and HOME": Start(without=["HOME"], code=NOBODY, files=_IN_FOLDER),
            "a user without a name, with USER": Start("USER=x", "LOGNAME=y", code=NOBODY),
        }
        if namespaces_are_possible()
        else {}
    ),
}


# -- the environment itself ---------------------------------------------------------------------------------

LOCALES = [
    "LANG=C",
    "LC_ALL=C",
    "LC_ALL=POSIX",
    "LC_CTYPE=C",
    "LC_ALL=xx_XX.UTF-8",
    "LANG=tr_TR.UTF-8",
    "LC_ALL=",
]
LOCALES += ["LC_ALL=C.ISO-8859-1", "LANG=ja_JP.SJIS"]

ENVIRONMENT = {
    **{entry: Start(entry) for entry in LOCALES},
    "no locale at all": Start(without=["LANG"]),
    "bytes that are no text": Start(b"BYTES=\xff\xfe\x80", b"N\xe4ME=1", b"UTF16=\xff\xfe", "é=ü"),
    "in the C locale, too": Start(b"BYTES=\xff\xfe\x80", b"N\xe4ME=1", "LC_ALL=C"),
    "duplicates": Start("DUP=1", "URL=old", "DUP=2", "URL=older", "DUP=1"),
    "entries without a name or =": Start(
        "malformed", "", "=x", "=C:=C:\\", says="3 entries of the environment"
    ),
    "PATH twice": Start("PATH=/usr/bin:/bin", "PATH=/nonexistent"),
    "a name with blanks and newlines": Start("a b=1", "a\nb=2", "a.b-c=3", "%=4", "1=5", "-x=6"),
    "a value with everything": Start("ALL=" + "".join(map(chr, range(1, 256)))),
    "many": Start(*(f"V{number}=x" for number in range(5000))),
    "long": Start("LONG=" + "x" * 100_000),
    "a shell function": Start("BASH_FUNC_x%%=() { echo; }", "BASH_ENV=evil", "ENV=evil"),
    "IFS": Start("IFS=/", "LD_LIBRARY_PATH=/nonexistent"),
    "no PATH": Start(without=["PATH"]),
    "an empty PATH": Start("PATH=", says="there is no command cat", refused=True),
    "PATH is no text": Start(b"PATH=/\xff:/usr/bin:/bin"),
    "what the options say": Start("VAULT_EXEC_NAMES=posix", "CHAMBER_RETRIES=3", "VAULT_EXEC_TIMEOUT=20"),
    "options that cannot be": Start("CHAMBER_RETRIES=many", says="retries is 'many'", refused=True),
    "a time that cannot be": Start("VAULT_EXEC_TIMEOUT=\udcff", says="timeout is", refused=True),
    "a config file that is not there": Start(
        "VAULT_EXEC_CONFIG=/nonexistent", says="no config file", refused=True
    ),
    "a config file that is a folder": Start("VAULT_EXEC_CONFIG=/", says="cannot be read", refused=True),
    "a config file that is no text": Start(
        "VAULT_EXEC_CONFIG=given", files={"given": "x = '\udcff'"}, says="is not UTF-8", refused=True
    ),
    "a config file with other things": Start(
        "VAULT_EXEC_CONFIG=given", files={"given": "nosuch = 1"}, says="is no setting", refused=True
    ),
}


# -- open files and limits ----------------------------------------------------------------------------------


def closing(*numbers: int) -> str:
    return "; ".join([f"os.close({number})" for number in numbers])


PROCESS = {
    **{f"{name} closed": Start(code=closing(*numbers), says=None) for name, numbers in {
        "0": [0], "2": [2], "0 and 2": [0, 2],
    }.items()},
    "a folder as standard input": Start(
        code="os.dup2(os.open('/', os.O_RDONLY), 0)", before_us=("pip", "image")
    ),
    "standard error full": Start(code="os.dup2(os.open('/dev/full', os.O_WRONLY), 2)", says=None),
    "standard error a pipe that nobody reads": Start(
        code="r, w = os.pipe(); os.dup2(w, 2); os.close(r)", says=None
    ),
    "standard input write-only": Start(code="os.dup2(os.open('/dev/null', os.O_WRONLY), 0)"),
    "few open files": Start(code="resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))"),
    "no file may grow": Start(code="resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"),
    "little memory": Start(code="resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))"),
    "no core files": Start(code="resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"),
    "a strict umask": Start(code="os.umask(0o777)"),
    "many open files": Start(code="[os.set_inheritable(os.open('/dev/null', 0), True) for _ in range(200)]"),
}  # fmt: skip

#: Where credentials are looked for, and there are none but those that files in the working folder offer.
_NO_KEYS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
CREDENTIALS = {
    "no HOME": Start(without=["HOME", *_NO_KEYS], files=_IN_FOLDER, says="credentials", refused=True),
    "HOME is relative": Start("HOME=.", without=_NO_KEYS, files=_IN_FOLDER, says="credentials", refused=True),
    "HOME is ~": Start("HOME=~", without=_NO_KEYS, files=_IN_FOLDER, says="credentials", refused=True),
    "a user without a name": Start(
        without=["HOME", *_NO_KEYS], code=NOBODY, files=_IN_FOLDER, says="credentials", refused=True
    ),
}

KINDS = {"Python": PYTHON, "surroundings": AROUND, "environment": ENVIRONMENT, "process": PROCESS}


class Ground:
    """A home with two secrets, and the two entry points."""

    def __init__(self, home: Home, image: Path) -> None:
        self.home = home
        self.programs = {"image": str(image), "pip": str(SCRIPTS / "vault-exec")}

    def entries(self, start: Start) -> list[bytes]:
        """The environment block."""
        replaced = {entry.partition(b"=")[0] for entry in start.entries} | start.without
        mine = [(os.fsencode(name), os.fsencode(value)) for name, value in self.home.environ.items()]
        return [name + b"=" + value for name, value in mine if name not in replaced] + start.entries


@pytest.fixture(params=["local", "ssm"])
def ground(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Ground:
    """The parameter says on which store the secrets are."""
    if request.param == "local":
        fill(home, SECRETS)
        [key] = (home.path / ".config/vault-exec/keys").iterdir()
        [store] = home.path.rglob("store.db")
        home.set(VAULT_EXEC_STORE=str(store), VAULT_EXEC_KEY_FILE=str(key))
    else:
        moto: Moto = request.getfixturevalue("moto")
        fill_ssm(moto.url, SECRETS)
        home.set(**aws_variables(moto.url), VAULT_EXEC_BACKEND="ssm")
    # As the Dockerfile makes it. The checkout stands for what is installed.
    image = tmp_path / "vault-exec"
    first, rest = (SCRIPTS / "vault-exec").read_text().split("\n", 1)
    folders = [sysconfig.get_path("purelib"), str(CHECKOUT), str(CHECKOUT / "backends")]
    image.write_text(f"{first} -I\nimport sys; sys.path += {folders}\n{rest}")
    image.chmod(0o755)
    return Ground(home, image)


def expected(entries: Sequence[bytes]) -> list[bytes]:
    """What the program must get of this environment: what can be passed on, then the secrets."""
    kept = [entry for entry in entries if entry.find(b"=", 1) > 0]
    gone = {*NOT_INHERITED, b"DB_HOST", b"URL"}
    kept = [entry for entry in kept if entry[: entry.find(b"=", 1)] not in gone]
    return [*kept, b"DB_HOST=h", b"URL=u"]


def problem(ground: Ground, entry_point: str, start: Start, folder: Path) -> str | None:
    """What went wrong with one start."""
    folder.mkdir()
    for name, text in start.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, errors="surrogateescape")
    entries = ground.entries(start)
    words = ("exec", "svc", "--", "cat", "/proc/self/environ")
    done = raw_exec(ground.programs[entry_point], *words, entries=entries, cwd=folder, code=start.code)
    said = done.stderr.decode("utf-8", "replace").replace(OVERWRITES, "")
    wrong = "taken over, " if (folder / TAKEN).exists() else ""
    if entry_point in start.before_us:
        return wrong if b"vault-exec" in done.stdout else None
    ours = "Traceback" not in said or "vault_exec" not in said
    if start.refused:
        right = done.returncode in (125, 127) and done.stdout == b"" and start.says in said and ours
        right = right and all(line.startswith("vault-exec: ") for line in said.splitlines())
    else:
        right = done.returncode == 0 and done.stdout.removesuffix(b"\0").split(b"\0") == expected(entries)
        right = (
            right and ours and (start.says is None or said == "" or bool(start.says and start.says in said))
        )
    return f"{wrong}{done.returncode}, {said[-600:]!r}" if wrong or not right else None


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_starts_right_or_a_clear_error_says_why_not(
    ground: Ground, kind: str, tmp_path: Path, tally: Tally
) -> None:
    if kind == "surroundings" and not namespaces_are_possible():
        tally.note("without a user that has no name: this machine does not let tests make a user namespace")
    store = "ssm" if "AWS_REGION" in ground.home.environ else "local"
    try_all(ground, KINDS[kind], f"{kind}, {store}", tmp_path, tally, step=5 if store == "local" else 37)


@pytest.mark.parametrize("ground", ["ssm"], indirect=True)
def test_credentials_are_not_taken_from_the_working_folder(
    ground: Ground, tmp_path: Path, tally: Tally
) -> None:
    starts = dict(CREDENTIALS)
    if not namespaces_are_possible():
        del starts["a user without a name"]
    try_all(ground, starts, "credentials, ssm", tmp_path, tally, step=3)


def try_all(
    ground: Ground, starts: dict[str, Start], kind: str, tmp_path: Path, tally: Tally, *, step: int
) -> None:
    """Each of these with both entry points; in the short form every so many."""
    tally.property = WRONG_STARTS
    every = [(name, start, entry) for name, start in starts.items() for entry in ("image", "pip")]

    def run(numbered: tuple[int, tuple[str, Start, str]]) -> None:
        number, (name, start, entry) = numbered
        wrong = problem(ground, entry, start, tmp_path / f"start{number}")
        tally.case(f"{name}: {wrong}" if wrong else None, kind=f"{kind}, {entry}")

    with ThreadPoolExecutor(some(2, 3)) as pool:
        list(pool.map(run, enumerate(every[:: some(step, 1)])))
