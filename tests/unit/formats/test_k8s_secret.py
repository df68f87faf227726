"""k8s-secret: a manifest that the API server takes, from which envFrom gives the values exactly."""

from __future__ import annotations

import base64
import re

import pytest
import yaml  # noqa: TID253 - the independent reader
from hypothesis import given
from hypothesis import strategies as st

from tests.support.formats import examples, keys, variables
from vault_exec.errors import FormatError
from vault_exec.formats import Options, dump

SERVICE = Options(("svc",))

# k8s.io/apimachinery/pkg/util/validation
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)


def accepted(text: str) -> tuple[str, dict[str, str]]:
    """The object's name and its values, after the checks of the API server and those of envFrom."""
    manifest = yaml.safe_load(text)
    assert {**manifest, "metadata": 0, "data": 0} == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": 0,
        "type": "Opaque",
        "data": 0,
    }
    (name,) = manifest["metadata"].values()
    assert _SUBDOMAIN.fullmatch(name)
    assert len(name) <= 253
    for key in manifest["data"]:
        assert _CONFIG_KEY.fullmatch(key)
        assert _VARIABLE.fullmatch(key)
        assert len(key) <= 253
        assert key != "."
        assert not key.startswith("..")
    values = {key: base64.b64decode(value, validate=True) for key, value in manifest["data"].items()}
    assert sum(map(len, values.values())) <= 1024 * 1024
    return name, {key: value.decode() for key, value in values.items()}


@examples()
@given(variables)
def test_the_values_are_exact(secrets: dict[str, str]) -> None:
    assert accepted(dump("k8s-secret", secrets, SERVICE)) == ("svc", secrets)


@examples()
@given(st.dictionaries(keys, st.just("x"), min_size=1, max_size=2), st.sampled_from(["posix", "chamber"]))
def test_every_key_is_one_that_is_accepted_or_is_refused(secrets: dict[str, str], style: str) -> None:
    try:
        text = dump("k8s-secret", secrets, Options(("svc",), style))
    except FormatError:
        return
    assert len(accepted(text)[1]) == len(secrets)


@examples()
@given(
    st.lists(
        st.from_regex(r"[A-Za-z0-9_.-]{1,8}(/[A-Za-z0-9_.-]{1,8}){0,2}", fullmatch=True),
        min_size=1,
        max_size=3,
    )
)
def test_every_service_gives_a_name_that_is_accepted_or_is_refused(services: list[str]) -> None:
    try:
        text = dump("k8s-secret", {}, Options(tuple(services)))
    except FormatError:
        assert not re.search("[A-Za-z0-9]", "".join(services))
    else:
        accepted(text)


@pytest.mark.parametrize(
    ("services", "name"),
    [
        (("svc",), "svc"),
        (("prod/web_app",), "prod-web-app"),
        (("Prod/Web", "shared"), "prod-web-shared"),
        (("_a_.-b..c-",), "a.b.c"),
        (("v1.2/x",), "v1.2-x"),
    ],
)
def test_the_object_is_named_after_the_services(services: tuple[str, ...], name: str) -> None:
    assert accepted(dump("k8s-secret", {"a": ""}, Options(services))) == (name, {"A": ""})


def test_words_that_yaml_takes_for_others_stay_names() -> None:
    secrets = dict.fromkeys(["YES", "NULL", "ON", "Y", "_1"], "v")
    assert accepted(dump("k8s-secret", secrets, SERVICE))[1] == secrets


@pytest.mark.parametrize("services", [(), ("-",), ("._/_",), ("a" * 254,), ("a" * 127, "b" * 127)])
def test_a_service_that_gives_no_name_is_refused(services: tuple[str, ...]) -> None:
    with pytest.raises(FormatError, match="k8s-secret cannot name an object after"):
        dump("k8s-secret", {"a": "SECRET"}, Options(services))


@pytest.mark.parametrize("key", ["2fa", "..a", ".", "a" * 254])
def test_a_key_that_is_no_variable_is_refused(key: str) -> None:
    with pytest.raises(FormatError, match="k8s-secret cannot hold"):
        dump("k8s-secret", {key: "SECRET"}, Options(("svc",), "chamber"))


def test_more_than_a_secret_holds_is_refused() -> None:
    half = "é" * (256 * 1024)
    assert accepted(dump("k8s-secret", {"a": half, "b": half}, SERVICE))[1] == {"A": half, "B": half}
    with pytest.raises(FormatError, match="k8s-secret cannot hold 1,048,577 bytes of values"):
        dump("k8s-secret", {"a": half, "b": half, "c": "x"}, SERVICE)
