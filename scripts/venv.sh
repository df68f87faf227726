#!/bin/sh
# venv.sh FOLDER LOCK...: makes the virtual environment FOLDER from these hash-locked requirements, and installs
# the project in it where they hold what builds it. Made anew only when one of them or pyproject.toml has changed,
# or the checkout has moved.
set -eu
folder=$1
shift
inputs() { pwd && cat pyproject.toml "$@"; }
if inputs "$@" | cmp -s - "$folder/.made-from" && "$folder/bin/python" -c ''; then
  exit 0
fi
python=$(scripts/python.sh)
echo "Making $folder with $python ..."
rm -rf "$folder"
"$python" -m venv "$folder"
pip() {
  # pip's cache stays in the checkout, like all that make leaves, unless the user has chosen a place.
  PIP_CACHE_DIR=${PIP_CACHE_DIR:-$PWD/.make/pip} PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$folder/bin/python" -m pip install --quiet "$@"
}
for lock in "$@"; do
  pip --require-hashes --requirement "$lock"
done
if [ -x "$folder/bin/hatchling" ]; then
  pip --no-deps --no-build-isolation --editable .
fi
inputs "$@" >"$folder/.made-from"
