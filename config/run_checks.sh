#!/usr/bin/env bash
# Everything that can be known without running the product. Goes on after a failure, and fails at the end.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH
failed=()

check() {
    local name=$1
    shift
    echo "check: $name"
    "$@" || failed+=("$name")
}

deployed() {
    # As it would be deployed: the settings that only https can have are on.
    PUBLIC_URL=https://sessions.example.com python manage.py check --deploy --fail-level WARNING
}

check "ruff" ruff check .
check "format" ruff format --check .
check "types" mypy
check "imports" lint-imports --no-cache --no-logo
check "deployment" deployed
check "migrations" python manage.py makemigrations --check --dry-run

if [ ${#failed[@]} -gt 0 ]; then
    echo "check: failed: ${failed[*]}"
    exit 1
fi
