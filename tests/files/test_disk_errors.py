"""The sentence for a file that cannot be written."""

import errno

from exitwave.files.disk_errors import write_error


def test_a_full_disk_and_a_folder_without_permission_have_their_sentence(tmp_path):
    full = write_error(tmp_path / "a.nc", OSError(errno.ENOSPC, "No space left"))
    assert "the disk is full" in str(full)
    closed = write_error(tmp_path / "a.nc", OSError(errno.EROFS, "Read-only"))
    assert "may not be written to" in str(closed)
