#!/bin/sh
# Prints the path of a Python that can make this project's virtual environments; PYTHON names one.
set -eu
candidates=${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}
without_venv=
for name in $candidates; do
  # The interpreter behind a virtual environment: that environment may be the one about to be made anew.
  found=$("$name" -c 'import sys; print(sys.version_info >= (3, 11) and sys._base_executable or "")' 2>/dev/null) || continue
  [ -n "$found" ] || continue
  if "$found" -c 'import ensurepip, venv' 2>/dev/null; then
    printf '%s\n' "$found"
    exit 0
  fi
  without_venv=$found
done
if [ -n "$without_venv" ]; then
  echo "$without_venv lacks Python's venv module. On Debian and Ubuntu: apt install python3-venv" >&2
else
  echo "No Python 3.11 or later here (looked for: $candidates)." >&2
  echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python)," >&2
  echo "or name it: make PYTHON=/path/to/python3.13 ..." >&2
fi
exit 1
