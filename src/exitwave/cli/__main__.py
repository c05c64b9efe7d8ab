"""``python -m exitwave.cli`` is ``exitwave``."""

import sys

from exitwave.cli import main

sys.exit(main())
