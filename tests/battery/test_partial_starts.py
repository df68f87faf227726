"""No fault of a store starts the program, or starts it with a part of its environment.

Every call that exec makes to each store on AWS, for the first of two services and for the second, meets
every fault, and goes on meeting it. Nothing is started; exec ends in time, with 125, and tells of the service
and of what is wrong with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.battery import Property, Tally, some
from tests.support.commands import Home, Result, aws_variables
from tests.support.filling import fill_ssm
from tests.support.moto import Moto
from tests.support.proxy import (
    REQUEST_ID,
    Call,
    Exchange,
    Fault,
    Proxy,
    answers,
    done_but,
    edited,
    failed,
    lost,
    refused,
    reset,
    throttled,
    trickling,
    unavailable,
    web_page,
)
from tests.support.s3 import ALIAS, BUCKET, S3

PARTIAL_STARTS = Property("partial starts", "cells", "stores")

#: `--timeout` in seconds, and what exec may take on top of it: its own start, and a call that is under way.
TIMEOUT = some(3, 10)
GRACE = 5

SERVICES = ("first-svc", "second-svc")
CANARY = "canary-value"


# -- faults, each with words of which the message must have one ----------------------------------------------


def hanging(exchange: Exchange) -> None:
    """No answer, until the client gives up."""
    for _ in range(600):
        if exchange.is_abandoned:
            return
        time.sleep(0.05)


def cut_off(place: Callable[[int], int]) -> Fault:
    """The answer's body ends early, after so many of its bytes."""

    def fault(exchange: Exchange) -> None:
        status, headers, body = exchange.forward()
        exchange.send(status, headers, body, cut_at=place(len(body)))

    return fault


def with_body(change: Callable[[bytes], bytes], *, checksum: bool = False) -> Fault:
    """The answer with another body; `checksum`: still with the checksum of the body it had, if it had one."""

    def fault(exchange: Exchange) -> None:
        status, headers, body = exchange.forward()
        kept = {
            name: text for name, text in headers.items() if checksum or "x-amz-checksum" not in name.lower()
        }
        exchange.send(status, kept, change(body))

    return fault


def instead(text: str) -> Fault:
    """The answer, with this for its body."""
    return with_body(lambda _: text.encode())


def too_many(exchange: Exchange) -> None:
    exchange.send(429, {"x-amzn-RequestId": REQUEST_ID}, b"")


NO_ANSWER = ("no answer", "no connection", "not answer")
DENIED = ("access denied", "credentials", "KMS key")
NONSENSE = (*NO_ANSWER, "does not go on", "is not", "without", "cannot be", "holds no", "does not")

Faults = Mapping[str, tuple[Fault, tuple[str, ...]]]

EVERYWHERE: Faults = {
    "too many": (too_many, ("too many",)),
    "500": (failed, ("500",)),
    "503": (unavailable, ("503",)),
    "gateway": (done_but(502, b"<html>502</html>"), ("502",)),
    "reset": (reset, NO_ANSWER),
    "lost": (lost, NO_ANSWER),
    "hanging": (hanging, NO_ANSWER),
    "trickling": (trickling(0.5), NO_ANSWER),
    "cut at its start": (cut_off(lambda _: 0), NO_ANSWER),
    "cut in the middle": (cut_off(lambda length: length // 2), NO_ANSWER),
    "cut before its end": (cut_off(lambda length: length - 1), NO_ANSWER),
    "nothing": (answers(b""), NONSENSE),
    "web page": (web_page, NO_ANSWER),
    "not UTF-8": (with_body(lambda body: body[:-20] + b"\xff" + body[-20:]), NONSENSE),
    "no text": (answers(b"\0\xff" * 50), NONSENSE),
    "denied": (refused(400, "AccessDeniedException"), DENIED),
    "denied as S3 says it": (refused(403, "AccessDenied"), DENIED),
    "expired": (refused(400, "ExpiredTokenException"), DENIED),
    "unknown key": (refused(403, "InvalidAccessKeyId"), DENIED),
    "bad signature": (refused(403, "SignatureDoesNotMatch"), DENIED),
    "wrong clock": (refused(403, "RequestTimeTooSkewed"), DENIED),
    "disabled key": (refused(400, "KMS.DisabledException"), DENIED),
    "unheard of": (refused(400, "SomethingNew"), ("SomethingNew",)),
}
_OF_JSON: Faults = {
    "throttled": (throttled, ("too many",)),
    "empty object": (instead("{}"), NONSENSE),
    "null": (instead("null"), NONSENSE),
    "list": (instead("[]"), NONSENSE),
    "two documents": (with_body(lambda body: body + b"{}"), NONSENSE),
}


def _without(member: str) -> Callable[[dict[str, Any]], None]:
    def edit(members: dict[str, Any]) -> None:
        del members["Parameters"][-1][member]

    return edit


def _with(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda answer: answer.update(members)


_OF_SSM: Faults = {
    **_OF_JSON,
    "too many updates": (refused(400, "TooManyUpdates"), ("too many",)),
    "without a value": (edited(_without("Value")), NONSENSE),
    "without a name": (edited(_without("Name")), NONSENSE),
    "no list": (edited(_with(Parameters=None)), NONSENSE),
    "a text for a list": (edited(_with(Parameters="x")), NONSENSE),
    "the list of nobody": (edited(_with(Parameters=[{"Name": "/other/key", "Value": "x"}])), NONSENSE),
    "a value that is no text": (
        edited(lambda answer: answer["Parameters"][0].update(Value=["x"])),
        NONSENSE,
    ),
    "key not usable": (refused(400, "InvalidKeyId"), DENIED),
}


def same_token(exchange: Exchange) -> None:
    """The token of the next page is that of this one."""
    edited(_with(NextToken=exchange.call.members["NextToken"]))(exchange)


_OF_PAGES: Faults = {
    "a token that comes back": (same_token, ("does not go on",)),
    "an unknown token": (refused(400, "InvalidNextToken"), ("lost track",)),
}
_OF_SECRETS_MANAGER: Faults = {
    **_OF_JSON,
    "gone": (refused(400, "ResourceNotFoundException"), ("holds no secret", "not there")),
    "marked for deletion": (refused(400, "InvalidRequestException"), ("delet", "refused")),
    "cannot be decrypted": (refused(400, "DecryptionFailure"), DENIED),
    "without the secret": (edited(lambda answer: answer.pop("SecretString")), NONSENSE),
    "a secret that is no JSON": (edited(_with(SecretString="{")), NONSENSE),
    "a secret that is null": (edited(_with(SecretString="null")), NONSENSE),
    "a secret that is a list": (edited(_with(SecretString="[1]")), NONSENSE),
    "a secret that is empty": (edited(_with(SecretString="{}")), ("holds no secret",)),
}
_OF_S3: Faults = {
    "slow down": (refused(503, "SlowDown"), ("too many",)),
    "internal error": (refused(500, "InternalError"), ("500",)),
    "no bucket": (refused(404, "NoSuchBucket"), ("no bucket",)),
    "elsewhere": (refused(301, "PermanentRedirect"), ("another region",)),
}
_OF_S3_OBJECTS: Faults = {
    "gone": (refused(404, "NoSuchKey"), ("holds no secret", "does not find it")),
    "a changed byte": (
        with_body(lambda body: body.replace(b"value", b"valuf"), checksum=True),
        NO_ANSWER,
    ),
    "an empty object": (instead("{}"), NONSENSE),
    "no entries": (instead('{"latest": null}'), NONSENSE),
    "a list": (instead("[]"), NONSENSE),
    "a value that is no text": (instead('{"latest": {"key00": 1}}'), NONSENSE),
    "a value that is null": (instead('{"latest": {"key00": null}}'), NONSENSE),
    "half a document": (with_body(lambda body: body[: len(body) // 2]), NONSENSE),
    "archived": (refused(403, "InvalidObjectState"), ("InvalidObjectState",)),
}
_OF_S3_LISTS: Faults = {
    "an empty list": (
        instead("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
        ("holds no secret",),
    ),
    "a list without its end": (instead("<ListBucketResult></ListBucketResult>"), NONSENSE),
    "a list that goes nowhere": (
        instead("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
        ("does not go on",),
    ),
    "another document": (instead("<Other/>"), NONSENSE),
}

FAULTS: Mapping[str, Faults] = {
    "GetParametersByPath": {**EVERYWHERE, **_OF_SSM, **_OF_PAGES},
    "GetParameters": {**EVERYWHERE, **_OF_SSM},
    "GetSecretValue": {**EVERYWHERE, **_OF_SECRETS_MANAGER},
    "GetObject": {**EVERYWHERE, **_OF_S3, **_OF_S3_OBJECTS},
    "ListObjectsV2": {**EVERYWHERE, **_OF_S3, **_OF_S3_LISTS},
}


# -- the calls of exec --------------------------------------------------------------------------------------


class Site:
    """One call that exec makes: which operation, for which service, and which of those calls."""

    def __init__(self, operation: str, service: str, number: int) -> None:
        self.operation = operation
        self.service = service
        self.number = number

    def __str__(self) -> str:
        return f"{self.operation} {self.number} of {self.service}"


def service_of(call: Call) -> str:
    """The service that a call asks for."""
    asked = json.dumps(call.members) + call.object + call.path
    return next((service for service in SERVICES if service in asked), "")


def place_of(call: Call) -> str:
    """What a repeated call has in common with the first: the page, the names, the object."""
    return json.dumps([call.operation, call.members, call.path])


class Spoiler:
    """For `Proxy.spoil_by`: spoils one site's calls for as long as they are repeated."""

    def __init__(self, site: Site, fault: Fault) -> None:
        self._site = site
        self._fault = fault
        self._places: list[str] = []
        self.count = 0

    def __call__(self, call: Call) -> Fault | None:
        if (call.operation, service_of(call)) != (self._site.operation, self._site.service):
            return None
        place = place_of(call)
        if place not in self._places:
            self._places.append(place)
        if self._places.index(place) != self._site.number - 1:
            return None
        self.count += 1
        return self._fault


class Ground:
    """One store with two services on it, whose secrets take all the calls that exec can need.

    words: what stands between `exec` and the services' names. label: what follows each name.
    """

    def __init__(self, backend: str, upstream: str, label: str = "", **variables: str) -> None:
        self.backend = backend
        self.upstream = upstream
        self.services = [f"{service}{label}" for service in SERVICES]
        self.at_label = bool(label)
        self.variables = variables

    def exec(self, proxy: Proxy, folder: Path) -> Result:
        """Run exec through the proxy; the program leaves `started` where it is started."""
        folder.mkdir()
        home = Home(folder, **aws_variables(proxy.url), **self.variables)
        words = ("exec", *self.services, "--", "sh", "-c", "env -0 > started")
        return home.run("-b", self.backend, f"--timeout={TIMEOUT}", *words, timeout=TIMEOUT + 60)

    def sites(self, folder: Path) -> list[Site]:
        """The calls of an exec that goes well, which must start the program."""
        proxy = Proxy(self.upstream)
        try:
            done = self.exec(proxy, folder)
            assert done.code == 0, done
            names = {entry.split(b"=")[0] for entry in (folder / "started").read_bytes().split(b"\0")}
            expected = {f"{letter}_KEY{number:02}" for letter in "FS" for number in range(12)}
            assert {name.encode() for name in expected} <= names
            calls = dict.fromkeys((call.operation, service_of(call), place_of(call)) for call in proxy.calls)
        finally:
            proxy.stop()
        numbers: dict[tuple[str, str], int] = {}
        sites = []
        for operation, service, _ in calls:
            assert service, operation
            numbers[operation, service] = numbers.get((operation, service), 0) + 1
            sites.append(Site(operation, service, numbers[operation, service]))
        return sites


def secrets() -> dict[str, dict[str, str]]:
    return {
        service: {f"{service[0]}-key{number:02}": f"{CANARY} {number}" for number in range(12)}
        for service in SERVICES
    }


def ssm(moto: Moto, label: str = "") -> Ground:
    fill_ssm(moto.url, secrets())
    if label:
        import boto3

        client = boto3.client("ssm", endpoint_url=moto.url, region_name="us-east-1")
        for service, values in secrets().items():
            for key in values:
                client.label_parameter_version(Name=f"/{service}/{key}", Labels=[label.removeprefix(":")])
        client.close()
    return Ground("ssm", moto.url, label)


def s3(moto: Moto, aws: dict[str, str]) -> Ground:
    with S3(moto.url, aws).open("s3") as store:
        for service, values in secrets().items():
            store.write_many(service, values)
    return Ground("s3", moto.url, CHAMBER_S3_BUCKET=BUCKET)


def s3_kms(moto: Moto, aws: dict[str, str]) -> Ground:
    bucket = S3(moto.url, aws)
    for alias, part in ((ALIAS, slice(6)), ("alias/other", slice(6, 12))):
        with bucket.open("s3-kms", kms_key_alias=alias) as store:
            for service, values in secrets().items():
                store.write_many(service, dict(list(values.items())[part]))
    return Ground("s3-kms", moto.url, CHAMBER_S3_BUCKET=BUCKET)


def secretsmanager(moto: Moto) -> Ground:
    import boto3

    client = boto3.client("secretsmanager", endpoint_url=moto.url, region_name="us-east-1")
    for service, values in secrets().items():
        client.create_secret(Name=service, SecretString=json.dumps(values))
    client.close()
    return Ground("secretsmanager", moto.url)


@pytest.fixture(params=["ssm", "ssm at a label", "s3", "s3-kms", "secretsmanager"])
def ground(request: pytest.FixtureRequest, moto: Moto, aws: dict[str, str]) -> Ground:
    made: dict[str, Callable[[], Ground]] = {
        "ssm": lambda: ssm(moto),
        "ssm at a label": lambda: ssm(moto, ":stable"),
        "s3": lambda: s3(moto, aws),
        "s3-kms": lambda: s3_kms(moto, aws),
        "secretsmanager": lambda: secretsmanager(moto),
    }
    return made[request.param]()


# -- the cells ----------------------------------------------------------------------------------------------


def cells(ground: Ground, sites: list[Site]) -> list[tuple[Site, str]]:
    """Every fault at every site; in the short form a few, going through sites and faults alike."""
    every = [
        (site, name) for site in sites for name in FAULTS[site.operation] if is_fault(ground, site, name)
    ]
    return every[:: some(len(every) // 6 - 1, 1)]


def is_fault(ground: Ground, site: Site, name: str) -> bool:
    """Whether what is spoiled is used: the first page has no token, and at a label only names are."""
    if name == "a token that comes back":
        return site.number > 1
    by_name = site.operation == "GetParametersByPath" and ground.at_label
    return not (by_name and name == "a value that is no text")


def problem(ground: Ground, site: Site, name: str, folder: Path, tally: Tally) -> str | None:
    """What is wrong with how exec took this fault; None where nothing is."""
    fault, words = FAULTS[site.operation][name]
    spoiler = Spoiler(site, fault)
    proxy = Proxy(ground.upstream)
    proxy.spoil_by(spoiler)
    began = time.monotonic()
    try:
        done = ground.exec(proxy, folder)
    finally:
        proxy.stop()
    took = time.monotonic() - began
    tally.saw("slowest, in seconds,", took)
    said = done.err.split("error: ", 1)[-1]
    wrong = [
        (folder / "started").exists() and "STARTED",
        spoiler.count == 0 and "the fault was not met",
        done.code != 125 and f"exit code {done.code}",
        took > TIMEOUT + GRACE and f"took {took:.1f} s",
        site.service not in said and "does not name the service",
        not any(word in said for word in words) and "does not name the cause",
        (CANARY in done.err or CANARY in done.out) and "shows a value",
        "Traceback" in done.err and "a traceback",
        not all(line.startswith("vault-exec: ") for line in done.err.splitlines()) and "says other things",
    ]
    found = [text for text in wrong if text]
    return f"{site}, {name}: {', '.join(found)}: {done.err!r}" if found else None


def test_nothing_starts_with_a_part_of_its_environment(
    ground: Ground, tmp_path: Path, tally: Tally, request: pytest.FixtureRequest
) -> None:
    tally.property = PARTIAL_STARTS
    sites = ground.sites(tmp_path / "well")
    assert {site.service for site in sites} == set(SERVICES)

    def run(numbered: tuple[int, tuple[Site, str]]) -> None:
        number, (site, name) = numbered
        tally.case(problem(ground, site, name, tmp_path / str(number), tally), kind=ground.backend)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(run, enumerate(cells(ground, sites))))
