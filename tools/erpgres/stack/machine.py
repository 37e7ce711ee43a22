"""What this machine offers: memory and cores within the control group's limits, an account for the services."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from erpgres.errors import CannotRun

_CGROUP = Path("/sys/fs/cgroup")
_SERVICE_ACCOUNTS = ("erpgres", "postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An account of the operating system that runs the services."""

    name: str
    uid: int
    gid: int


def service_account() -> Account | None:
    """Return the account the services run as, or None when that is simply the caller.

    Only root has a choice: ``ERPGRES_RUN_AS``, else the first that exists of erpgres, postgres, nobody.
    Raises CannotRun when the named account does not exist or is root.
    """
    if os.geteuid() != 0:
        return None
    asked = os.environ.get("ERPGRES_RUN_AS")
    for name in (asked,) if asked else _SERVICE_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise CannotRun(
                f"the services cannot run as {name}: PostgreSQL refuses to be root",
                "name another account in ERPGRES_RUN_AS",
            )
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    wanted = asked or ", ".join(_SERVICE_ACCOUNTS)
    raise CannotRun(
        f"no account to run the services as: there is no {wanted}",
        "create one with `useradd --system erpgres`, or name one in ERPGRES_RUN_AS",
    )


def memory_bytes() -> int:
    """Return the memory this process may use, in bytes: the machine's, or less where a control group limits it."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _cgroup_folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text.isdigit():
                limits.append(int(text))
    return min(limits)


def cores() -> int:
    """Return how many cores this process may use: its affinity, less where a control group limits it (at least 1)."""
    counts = [float(len(os.sched_getaffinity(0)))]
    for folder in _cgroup_folders("cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            counts.append(int(quota) / int(period))
    return max(1, round(min(counts)))


def _cgroup_folders(controller: str) -> list[Path]:
    """Return the folders of the control groups this process is in, innermost first, of either version."""
    folders: list[Path] = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if names and controller not in names.split(","):
            continue
        base = _CGROUP / controller if names else _CGROUP
        group = base / path.lstrip("/")
        while group != base and base in group.parents:
            folders.append(group)
            group = group.parent
        folders.append(base)
    return folders


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
