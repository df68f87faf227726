"""An AWS that answers from memory after a while: for measuring what a program makes of waiting.

    python canned.py MILLISECONDS    prints its URL; ends with its standard input

It holds services of as many secrets as their names end in, such as `app-200`, on Secrets Manager of as many
versions. What is put into the bucket is there afterwards; all else is as it was. moto would not do: it
answers 250 to 500 calls a second, so that it and not the client would be measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

ARN = "arn:aws:iam::123456789012:user/canned"
CREATED = "2026-01-02T03:04:05.678901234Z"
PAGE = 10

#: What was put into the bucket, by path.
BUCKET: dict[str, bytes] = {}

#: How often each operation was called, on S3 with its path, since this was last asked for at /counts.
COUNTS: Counter[str] = Counter()


def size(service: str) -> int:
    """How many secrets, or versions, a service has; none where its name does not say."""
    number = service.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def keys(service: str) -> list[str]:
    return [f"{service}-{number:03}" for number in range(size(service))]


class Answer:
    """An HTTP answer."""

    def __init__(self, body: bytes = b"", status: str = "200 OK", etag: str = "") -> None:
        self.body = body
        self.status = status
        self.etag = etag

    def dump(self) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status}",
            f"Content-Length: {len(self.body)}",
            "x-amzn-RequestId: canned",
            "x-amz-request-id: canned",
            *([f'ETag: "{self.etag}"'] if self.etag else []),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


# -- S3 -----------------------------------------------------------------------------------------------------


def s3(method: str, path: str, body: bytes) -> Answer:
    if method == "PUT":
        BUCKET[path] = body
        return Answer(etag=sha256(body).hexdigest())
    found = BUCKET.get(path) or stored(path)
    if found is None:
        return Answer(b"<Error><Code>NoSuchKey</Code></Error>", "404 Not Found")
    return Answer(found, etag=sha256(found).hexdigest())


@cache
def stored(path: str) -> bytes | None:
    """What the bucket holds from the start."""
    _, _, object_ = path.strip("/").partition("/")
    service, _, file = object_.rpartition("/")
    key = file.removesuffix(".json")
    if key == "__latest" and size(service):
        return dumped({"latest": {key: f"value of {key}" for key in keys(service)}})
    if key in keys(service):
        record = {"created": CREATED, "created_by": ARN, "version": 1, "value": f"value of {key}"}
        return dumped({"service": service, "key": f"/{service}/{key}", "values": {"1": record}})
    return None


# -- Secrets Manager ----------------------------------------------------------------------------------------


def version_ids(service: str) -> list[str]:
    """A chain of versions as the program makes them: each id names the one before."""
    ids = ["0" * 32]
    for number in range(1, size(service)):
        mark = sha256(ids[-1].encode()).hexdigest()[:16]
        ids.append(f"vault-exec-{mark}-{number:032x}")
    return ids


def list_secret_version_ids(asked: dict[str, Any]) -> dict[str, Any]:
    ids = version_ids(asked["SecretId"])
    stages = {ids[-1]: ["AWSCURRENT"], ids[-2] if ids[1:] else "": ["AWSPREVIOUS"]}
    return {
        "Versions": [
            {"VersionId": id, "CreatedDate": 1_700_000_000 + number, "VersionStages": stages.get(id, [])}
            for number, id in enumerate(ids)
        ]
    }


def get_secret_value(asked: dict[str, Any]) -> dict[str, Any]:
    ids = version_ids(asked["SecretId"])
    id = asked.get("VersionId", ids[-1])
    number = ids.index(id) + 1
    known = {
        "key": {"created": CREATED.replace("05.", f"{number % 60:02}."), "created_by": ARN, "version": number}
    }
    text = dumped({"_chamber_metadata": dumped(known).decode(), "key": f"value {number}"}).decode()
    return {
        "VersionId": id,
        "SecretString": text,
        "CreatedDate": 1_700_000_000 + number,
        "Name": asked["SecretId"],
    }


# -- Parameter Store ----------------------------------------------------------------------------------------


def get_parameters_by_path(asked: dict[str, Any]) -> dict[str, Any]:
    service = asked["Path"].strip("/")
    start = int(asked.get("NextToken", "0"))
    page = [
        {"Name": f"/{service}/{key}", "Value": f"value of {key}", "Version": 1, "Type": "SecureString"}
        for key in keys(service)[start : start + PAGE]
    ]
    more = {"NextToken": str(start + PAGE)} if start + PAGE < size(service) else {}
    return {"Parameters": page, **more}


JSON = {
    "GetParameters": lambda asked: {"Parameters": [], "InvalidParameters": asked["Names"]},
    "GetParametersByPath": get_parameters_by_path,
    "PutParameter": lambda asked: {"Version": 1, "Tier": "Standard"},
    "GetSecretValue": get_secret_value,
    "ListSecretVersionIds": list_secret_version_ids,
}


# -- the server ---------------------------------------------------------------------------------------------


def dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    target = headers.get("x-amz-target", "").rpartition(".")[2]
    COUNTS[target or f"{method} {path}"] += 1
    if target:
        return Answer(dumped(JSON[target](json.loads(body))))
    if method == "POST":
        return Answer(
            f"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{ARN}</Arn>"
            f"</GetCallerIdentityResult></GetCallerIdentityResponse>".encode()
        )
    return s3(method, path, body)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {}
            for line in head[1:-2]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            if headers.get("expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            path = unquote(urlsplit(target).path)
            if path == "/counts":
                writer.write(Answer(dumped(COUNTS)).dump())
                COUNTS.clear()
            else:
                await asyncio.sleep(seconds)
                writer.write(answer(method, path, headers, body).dump())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(seconds: float) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, seconds), "127.0.0.1", 0, backlog=128
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) / 1000))
