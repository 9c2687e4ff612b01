#!/usr/bin/env python
"""The command line of the product. Commands that need PostgreSQL or Valkey bring them up."""

import os
import sys

from config.services import services_for_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    with services_for_command(sys.argv[1:]):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
