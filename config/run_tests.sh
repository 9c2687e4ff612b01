#!/usr/bin/env bash
# All tests, against a real PostgreSQL, Valkey and Chromium. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_chromium() {
    local candidate
    for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        if [ -n "$candidate" ] && command -v "$candidate"; then return; fi
    done
    return 1
}

install_chromium() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "test: installing Chromium" >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium; } </dev/null >/dev/null 2>&1
}

marks=()
if [ "${BROWSER:-1}" = 0 ]; then
    marks=(-m "not browser")
elif ! CHROMIUM=$(find_chromium || { install_chromium && find_chromium; }); then
    echo "test: Chromium is missing: install it (Debian: apt-get install chromium), name it in CHROMIUM," \
        "or leave its tests out with BROWSER=0" >&2
    exit 1
fi
export CHROMIUM
exec .venv/bin/python -m pytest -q -n "${RUNNERS:-2}" --dist loadfile "${marks[@]}" "$@" </dev/null
