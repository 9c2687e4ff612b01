#!/usr/bin/env python
"""The command line of the product. Commands that need PostgreSQL or Valkey bring them up."""

import os
import sys

from config.services import services_for_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config.outages import explain_to_operator

    with services_for_command(sys.argv[1:]):
        try:
            execute_from_command_line(sys.argv)
        except Exception as error:
            what_to_do = "" if "--traceback" in sys.argv else explain_to_operator(error)
            if not what_to_do:
                raise
            sys.exit(what_to_do)


if __name__ == "__main__":
    main()
