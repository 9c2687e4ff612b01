#!/bin/sh
# Apply the change of a ticket; doing it again changes nothing.
set -eu
patch="patches/$1.patch"
if [ ! -f "$patch" ]; then
    echo "There is no change for $1. There are: $(ls patches | sed 's/\.patch$//' | tr '\n' ' ')" >&2
    exit 3
fi
if git apply --reverse --check "$patch" 2>/dev/null; then
    echo "The change of $1 is applied already"
else
    git apply "$patch"
    echo "Applied the change of $1"
fi
