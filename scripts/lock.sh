#!/bin/sh
# Writes requirements/ from pyproject.toml, for every Python and platform that the project supports. Versions that
# still fit are kept; with UPGRADE=1 in the environment the newest are taken. No index is named in the files.
set -eu
# uv has variables of its own for what these of pip's say.
if [ -n "${PIP_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"; fi
if [ -n "${PIP_EXTRA_INDEX_URL:-}" ]; then export UV_INDEX="${UV_INDEX:-$PIP_EXTRA_INDEX_URL}"; fi
if [ -n "${PIP_FIND_LINKS:-}" ]; then export UV_FIND_LINKS="${UV_FIND_LINKS:-$PIP_FIND_LINKS}"; fi
if [ -n "${PIP_CERT:-}" ]; then export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"; fi

lock() {
  output=requirements/$1.txt
  shift
  .make/lock/bin/uv pip compile --quiet --cache-dir .make/uv --universal --python-version 3.11 --generate-hashes \
    --custom-compile-command 'make lock' ${UPGRADE:+--upgrade} --output-file "$output" "$@" >/dev/null
}

lock runtime pyproject.toml
lock build --group build
lock dev pyproject.toml --group dev --constraints requirements/runtime.txt --constraints requirements/build.txt
lock lock --group lock
