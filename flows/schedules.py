"""Cron expressions in a time zone: when they are due next, and how people read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from django.core.exceptions import ValidationError

__all__ = ["check_schedule", "count_times", "explain", "next_times"]

#: Minute, hour, day of the month, month, day of the week. A sixth field would be seconds.
FIELDS = 5
MAX_LENGTH = 100


def check_schedule(cron: str, time_zone: str) -> None:
    """Raise ValidationError by field for an expression that is none, or a zone that there is not."""
    problems = {}
    if time_zone not in available_timezones():
        problems["time_zone"] = f"“{time_zone}” is no time zone such as Europe/Berlin"
    try:
        if len(cron.split()) != FIELDS or len(cron) > MAX_LENGTH:
            raise CronSimError("it has five parts: minute, hour, day, month, day of the week")
        next(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as wrong:
        problems["cron"] = f"“{cron}” is no time that cron knows: {wrong}"
    except StopIteration:
        problems["cron"] = f"“{cron}” never comes"
    if problems:
        raise ValidationError(problems)


def next_times(cron: str, time_zone: str, after: datetime, count: int = 1) -> list[datetime]:
    """The times after this instant, in UTC. Where clocks go forward or back it does as Debian's cron does.

    A fixed time in an hour that is left out comes as that hour would begin; one in an hour that comes twice
    comes once. Times that recur within the hour go by the hours that really pass.
    """
    return list(islice(_times(cron, time_zone, after), count))


def count_times(cron: str, time_zone: str, after: datetime, until: datetime, most: int = 1000) -> int:
    """How many times lie after the one instant and not after the other; counts no further than `most`."""
    times = islice(_times(cron, time_zone, after), most)
    return sum(1 for _ in _while_not_after(times, until))


def explain(cron: str) -> str:
    """The expression in words."""
    return str(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)).explain())


def _times(cron: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    for moment in CronSim(cron, after.astimezone(ZoneInfo(time_zone))):
        # In the second of two equal hours it begins with what the first one had.
        if moment > after:
            yield moment.astimezone(UTC)


def _while_not_after(times: Iterator[datetime], until: datetime) -> Iterator[datetime]:
    for moment in times:
        if moment > until:
            return
        yield moment
