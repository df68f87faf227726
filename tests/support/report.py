"""A pytest plugin: what the contract and exec ran on, and what was skipped, at the end of every run.

A run of everything, or of tests/contract, fails when a built-in backend did not go through the contract, and
any run fails when something of tests/contract was skipped: a suite that says nothing must not look green.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from vault_exec.registry import BUILT_IN

#: What the contract must have run on: every built-in backend, and local with each place for its key.
EXPECTED = (
    *(name for name in BUILT_IN if name != "local"),
    *(f"local ({source})" for source in ("key file", "keyring", "passphrase")),
)

CONTRACT = "tests/contract/"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # xdist's workers report to the process that started them
        config.pluginmanager.register(Report(config))


class Report:
    """What was seen of one run."""

    def __init__(self, config: pytest.Config) -> None:
        self.whole = _is_whole(config)
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.left_out: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.servers: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note_skip(report)
        if report.when == "teardown":  # the only one of a test's reports that has all properties
            return
        properties = dict(report.user_properties)
        if "server" in properties:
            self.servers.add(properties["server"])
        store = properties.get("contract")
        if store is None or (report.when == "setup" and report.passed):
            return
        self.left_out[store] = properties["contract-left-out"]
        (self.passed if report.passed else self.failed)[store] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note_skip(report)

    def _note_skip(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped:
            reason = getattr(report, "wasxfail", None)
            text = report.longrepr[2] if isinstance(report.longrepr, (tuple, list)) else str(report.longrepr)
            self.skipped[report.nodeid] = text if reason is None else f"expected to fail: {reason}"

    @property
    def problems(self) -> list[str]:
        """Why this run must not pass."""
        found = [f"{test} was skipped" for test in self.skipped if test.startswith(CONTRACT)]
        if self.whole:
            found += [f"the contract did not run on {name}" for name in EXPECTED if not self._ran(name)]
        return found

    def _ran(self, name: str) -> bool:
        """Whether this store passed tests, whatever more it says about itself: `local (keyring: KWallet)`."""
        return any(store == name or store.startswith(name.rstrip(")") + ":") for store in self.passed)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        write = terminalreporter.write_line
        stores = sorted({*self.passed, *self.failed})
        if stores:
            terminalreporter.section("the contract ran on")
        for store in stores:
            failed = f", {self.failed[store]} FAILED" if self.failed[store] else ""
            left_out = f"; does not have: {self.left_out[store]}" if self.left_out[store] else ""
            write(f"{store}: {self.passed[store]} passed{failed}{left_out}", red=bool(failed))
        if self.servers:
            terminalreporter.section("real servers ran under exec")
            write(", ".join(sorted(self.servers)))
        if self.skipped:
            terminalreporter.section("skipped")
        for test, reason in sorted(self.skipped.items()):
            write(f"{test}: {reason}", yellow=True)
        for problem in self.problems:
            write(f"FAILED: {problem}", red=True)


def _is_whole(config: pytest.Config) -> bool:
    """Whether this run was asked for all tests, or for all of the contract."""
    option = config.option
    if getattr(option, "lf", False):  # there only with pytest's cache
        return False
    if option.keyword or option.markexpr or option.deselect or option.collectonly:
        return False
    wholes = [config.rootpath, config.rootpath / "tests", config.rootpath / CONTRACT]
    return any((config.invocation_params.dir / Path(path)).resolve() in wholes for path in config.args)
