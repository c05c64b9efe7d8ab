"""Tables as CSV files: a header and one line per row, with line feeds on every system.

>>> write_table(path, [{"material": "MoS2", "rmse": f"{error:.7g}"}])
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from exitwave.files.atomic import write_text


def write_table(
    path: Path, rows: Iterable[Mapping[str, object]], columns: Iterable[str] | None = None
) -> None:
    """Replace a table.

    Parameters
    ----------
    path : Path
        A CSV file.
    rows : iterable of mapping
        The values of each row by column. They are written as Python prints them, so whoever wants
        fewer digits rounds before; None is an empty cell.
    columns : iterable of str, optional
        All columns in their order, for a table that may be empty; by default those of the first
        row.

    Raises
    ------
    ExitwaveError
        Where the file cannot be written.
    """
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(rows[0] if columns is None else columns), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
