"""When a job is due: cron's five fields in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError


def next_moment(schedule: str, time_zone: str, after: datetime) -> datetime:
    """Return the first moment of a schedule later than `after` (aware), in UTC.

    The schedule is read as Debian's cron reads it: a time that the clock skips in spring is run right after, one that
    it shows twice in autumn is run once. Raises ValueError for a schedule or a time zone that is not one.
    """
    try:
        found = next(CronSim(schedule, after.astimezone(ZoneInfo(time_zone))))
    except StopIteration:
        raise ValueError(f"the schedule '{schedule}' never comes") from None
    except CronSimError as error:
        raise ValueError(f"'{schedule}' is not a schedule: {error}") from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {time_zone}") from error
    return found.astimezone(UTC)
