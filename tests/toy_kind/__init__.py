"""A fourth kind of session: what it takes is this folder and its line in `INSTALLED_APPS`."""
