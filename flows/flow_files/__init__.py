"""Flows as files: `reading` takes YAML apart, `schema` says what may stand there, `loading` stores it.

`writing` makes such a file of a flow. See `docs/flow-files.md`.
"""
