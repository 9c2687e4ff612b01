"""PostgreSQL and Valkey out of two wheels, kept alive by a supervisor of our own; see docs/running.md.

Nothing in this package imports Django, and nothing outside it needs to know how the services are run:
``usage.use_services`` holds them up, ``layout.Layout`` tells where they answer.
"""
