"""Files: written whole or not at all, read and checked; nothing here knows any physics."""
