#!/bin/sh
# The main job on a throw-away store, as a person would type it. Fails when a step fails or shows the wrong thing.
set -eu
cd "$(dirname "$0")/.."
bin=$PWD/.make/demo/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

# Runs a command in a shell that has nothing of the user's: no home, no settings, no credentials.
show() {
  printf '\n$ %s\n' "$1"
  code=0
  output=$(env -i PATH="$bin:$PATH" HOME="$work" LANG=C.UTF-8 sh -c "$1" 2>&1) || code=$?
  [ -z "$output" ] || printf '%s\n' "$output"
  [ "$code" -eq "${2:-0}" ] || fail "that ended with $code, not ${2:-0}"
}

expect() {
  case $output in *"$1"*) ;; *) fail "that should say: $1" ;; esac
}

fail() {
  printf '\ndemo: FAILED: %s\n' "$1" >&2
  exit 1
}

say() {
  echo
  printf '# %s\n' "$@"
}

say 'A store of its own, in one encrypted file. Its key could live in the keyring of the desktop; here, in a file.'
show 'vault-exec init --key file'

say 'Values come from standard input, so that they stand in no shell history and in no list of processes.'
show 'printf %s correct-horse-1 | vault-exec write shop db-password -'
show 'printf %s db.internal | vault-exec write shop db-host -'
say 'Typed without a value, "vault-exec write shop api-key" asks for it on the terminal and shows nothing of it.' \
  'Nobody types here, so this one is made up by the program, and never shown:'
show 'vault-exec write shop api-key --generate'
show 'vault-exec list shop'
expect api-key
expect db-password

say 'A rotation, and who did it when.'
show 'printf %s correct-horse-2 | vault-exec write shop db-password -'
show 'vault-exec history shop db-password'
expect Created
expect Updated

show 'vault-exec export --format dotenv shop'
expect 'DB_HOST="db.internal"'

say 'The main job: a program gets the secrets as environment variables, and nothing stays between it and whoever' \
  'started it: the process that the shell started says that it is the program now.'
show 'vault-exec exec shop -- sh -c '\''echo "process $$ has DB_PASSWORD=$DB_PASSWORD"'\'' & echo "started process $!"; wait $!'
started=$(printf '%s\n' "$output" | sed -n 's/^started process //p')
[ -n "$started" ] || fail 'no process was started'
expect "process $started has DB_PASSWORD=correct-horse-2"

say 'A service that is not there starts nothing.'
show 'vault-exec exec shpo -- echo started' 125
case $output in *started*) fail 'the program was started' ;; esac

say 'Done: one process from end to end, with the rotated password. The store is removed again.'
