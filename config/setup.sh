#!/usr/bin/env bash
# Installs what requirements.lock names into .venv, and nothing outside the project's folder but caches.
# "setup.sh lock" writes the lock anew instead. Quick when there is nothing to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TOOLS=.tools # what is needed to install: uv, and a Python where the machine has none
STAMP=.venv/installed

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "setup: $*"
    exit 1
}

runs_as_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

# A command on the PATH may be a shim that leads nowhere, so each candidate has to prove itself.
find_python() {
    local candidate path
    for candidate in python3.13 python3.12 python3.14 python3 python; do
        path=$(command -v "$candidate" || true)
        if [ -n "$path" ] && runs_as_new_enough "$path"; then
            printf '%s\n' "$path"
            return
        fi
    done
    for path in "${HOME:-/nonexistent}"/.pyenv/versions/3.1[3-9]*/bin/python3 \
        "${HOME:-/nonexistent}"/.pyenv/versions/3.12*/bin/python3; do
        if runs_as_new_enough "$path"; then
            printf '%s\n' "$path"
            return
        fi
    done
}

# uv brings its own list of certificate authorities, which does not know a company's own.
trust_what_the_machine_trusts() {
    local bundle
    if [ -n "${SSL_CERT_FILE:-}" ]; then return; fi
    for bundle in "${PIP_CERT:-}" "${REQUESTS_CA_BUNDLE:-}" "${CURL_CA_BUNDLE:-}" \
        /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        if [ -n "$bundle" ] && [ -r "$bundle" ]; then
            export SSL_CERT_FILE=$bundle
            return
        fi
    done
}

# Prints the path of uv: the one on the PATH, else one that is put into the tools folder.
find_uv() {
    local python path
    path=$(command -v uv || true)
    if [ -n "$path" ] && "$path" --version >/dev/null 2>&1; then
        printf '%s\n' "$path"
        return
    fi
    if ! "$TOOLS/uv/bin/uv" --version >/dev/null 2>&1; then
        say "setup: installing uv into $TOOLS"
        python=${1:-$(command -v python3 || true)}
        [ -n "$python" ] || fail "there is neither Python nor uv on this machine: install one of them"
        rm -rf "$TOOLS/uv"
        if "$python" -m venv "$TOOLS/uv" >/dev/null 2>&1; then
            "$TOOLS/uv/bin/python" -m pip install -q --disable-pip-version-check uv >&2
        else
            # Debian keeps venv in a package of its own.
            "$python" -m pip install -q --disable-pip-version-check --target "$TOOLS/uv" uv >&2 ||
                fail "$python has neither venv nor pip: install python3-venv, or uv"
        fi
    fi
    printf '%s\n' "$TOOLS/uv/bin/uv"
}

describe_wanted() {
    # The folder is part of it: an environment that was moved or copied does not work.
    { cat requirements.lock && pwd -P && cat config/setup.sh; } | sha256sum
}

make_environment() {
    local uv=$1 python=$2
    if [ -x .venv/bin/python ] && runs_as_new_enough .venv/bin/python; then return; fi
    if [ -z "$python" ]; then
        say "setup: no Python 3.12 or newer here, fetching one"
        export UV_PYTHON_INSTALL_DIR=$PWD/$TOOLS/python
    fi
    "$uv" venv -q --clear --python "${python:-3.13}" .venv ||
        fail "no usable Python: install Python 3.12 or newer"
}

main() {
    local uv python wanted
    wanted=$(describe_wanted)
    if [ "${1:-}" != lock ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ] && runs_as_new_enough .venv/bin/python; then
        exit 0
    fi
    mkdir -p "$TOOLS"
    if command -v flock >/dev/null; then
        exec 9>"$TOOLS/lock"
        flock 9
    fi
    trust_what_the_machine_trusts
    [ -w "${HOME:-/nonexistent}" ] || export UV_CACHE_DIR=$PWD/$TOOLS/cache
    python=$(find_python)
    uv=$(find_uv "$python")
    # A setting left over from elsewhere must not choose another Python, and a broken shim not stop uv.
    export UV_PYTHON=${python:-3.13}
    if [ "${1:-}" = lock ]; then
        "$uv" pip compile -q --universal --python-version 3.12 --generate-hashes --no-header --no-annotate \
            --no-emit-index-url requirements-dev.in -o requirements.lock
        exit 0
    fi
    say "setup: installing into $PWD/.venv"
    make_environment "$uv" "$python"
    # Compiled once: where Python may not write bytecode, every process would compile a thousand modules anew.
    "$uv" pip sync -q --require-hashes --compile-bytecode --python .venv/bin/python requirements.lock
    printf '%s\n' "$wanted" >"$STAMP"
}

main "$@"
