"""Rows for tests: valid against every constraint, and of one tenant however deep they reach.

Pass `tenant=` (or `owner=`) to put rows into one workspace; an owner that is not given is a fresh member
of it. Statuses are traits: `BackgroundTaskFactory(running=True)`. Behaviour is tested through services: use
these to set the scene.
"""
