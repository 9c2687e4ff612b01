"""What to say when the database or Valkey is away: one plain line, for nothing is wrong with the code."""

from __future__ import annotations

import copy
import logging

import redis
from django.db import InterfaceError, OperationalError, ProgrammingError
from kombu.exceptions import OperationalError as BrokerError

__all__ = ["PlainOutages", "explain_outage", "explain_to_operator"]

#: PostgreSQL's codes for a connection that is not to be had, or was ended from the other side.
_NO_CONNECTION = ("08", "57P01", "57P02", "57P03")
#: Its codes for a table and a column that is not there.
_NOT_MIGRATED = ("42P01", "42703")


def explain_outage(error: BaseException | None) -> str:
    """Who is away, in one line, if the error comes of that; "" for any other error."""
    if isinstance(error, OperationalError | InterfaceError):
        code = str(getattr(error.__cause__, "sqlstate", None) or "")
        who = "the database" if not code or code.startswith(_NO_CONNECTION) else ""
    else:
        who = "Valkey" if isinstance(error, redis.ConnectionError | redis.TimeoutError | BrokerError) else ""
    return f"{who} is away ({' '.join(str(error).split())})" if who else ""


def explain_to_operator(error: Exception) -> str:
    """What a command that met this error says in place of a traceback, and what to do; "" for any other."""
    if isinstance(error, ProgrammingError) and getattr(error.__cause__, "sqlstate", "") in _NOT_MIGRATED:
        what = str(error).splitlines()[0]
        return f"The tables of the database are not those of this version ({what}): run manage.py migrate."
    if why := explain_outage(error):
        return f"{why[0].upper()}{why[1:]}: start it, or see that DATABASE_URL and REDIS_URL are right."
    return ""


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
