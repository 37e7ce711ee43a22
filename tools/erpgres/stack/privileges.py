"""Giving up root in a Python part: it imports from where only root may read, then becomes the service account."""

from __future__ import annotations

import os
from pathlib import Path

from erpgres.errors import CannotRun
from erpgres.stack.machine import Account


def drop(account: Account | None) -> None:
    """Become the service account for good; None leaves the process as it is.

    Whatever is imported or opened afterwards must be readable by that account, and the interpreter and the checkout
    often are not: import first. Raises CannotRun when root is kept in any way.
    """
    if account is None or os.geteuid() == account.uid:
        return
    os.setgroups([])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if 0 in os.getresuid() or 0 in os.getresgid():
        raise CannotRun(f"the process did not become {account.name}")


def name_process(name: str) -> None:
    """Tell the kernel what this process is called (at most 15 characters); start-part.sh finds it by that."""
    Path("/proc/self/comm").write_text(name)
