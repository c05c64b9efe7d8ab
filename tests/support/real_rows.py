"""Real rows of C2DB, which are not committed: where they lie, if anywhere."""

import os
from pathlib import Path

SHARED = Path(__file__).parents[2].parent / "shared" / "c2db"
SAMPLE = Path(os.environ.get("EXITWAVE_C2DB", SHARED)) / "c2db_sample_3000.db"
