"""What to tell a user when a file cannot be written."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from exitwave.errors import ExitwaveError


def write_error(path: Path, error: Exception) -> ExitwaveError:
    """Turn a failure to write into a sentence; netCDF names a full disk only ``HDF error``."""
    folder = path.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        free = None
    number = getattr(error, "errno", None)
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        reason = "the folder may not be written to"
        remedy = "change its permissions, or give another one, and run again"
    elif number in (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        reason = "there is no such folder, and none can be made there"
        remedy = "check the path and run again"
    elif number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or (free is not None and free < 2**20):
        reason = "the disk is full or the quota is used up"
        remedy = "free some space and run again; finished samples are kept"
    else:
        reason = f"{type(error).__name__}: {error}"
        remedy = "check the disk and run again"
    return ExitwaveError(f"Could not write {path}: {reason}; {remedy}.")
