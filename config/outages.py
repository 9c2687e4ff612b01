"""What to say when the database or Valkey is away: one plain line, for nothing is wrong with the code."""

from __future__ import annotations

import copy
import logging

import redis
from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError

__all__ = ["PlainOutages", "explain_outage"]

#: PostgreSQL's codes for a connection that is not to be had, or was ended from the other side.
_NO_CONNECTION = ("08", "57P01", "57P02", "57P03")


def explain_outage(error: BaseException | None) -> str:
    """Who is away, in one line, if the error comes of that; "" for any other error."""
    if isinstance(error, OperationalError | InterfaceError):
        code = str(getattr(error.__cause__, "sqlstate", None) or "")
        who = "the database" if not code or code.startswith(_NO_CONNECTION) else ""
    else:
        who = "Valkey" if isinstance(error, redis.ConnectionError | redis.TimeoutError | BrokerError) else ""
    return f"{who} is away ({' '.join(str(error).split())})" if who else ""


class PlainOutages(logging.Filter):
    """In place of the traceback that somebody logs with an outage, which is many, says who is away."""

    def filter(self, record: logging.LogRecord) -> logging.LogRecord:
        why = explain_outage(record.exc_info[1]) if record.exc_info else ""
        if not why:
            return record
        plain = copy.copy(record)
        plain.msg, plain.args = f"{record.getMessage()}: {why}", ()
        plain.exc_info = plain.exc_text = None
        return plain
