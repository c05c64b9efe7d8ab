"""Materials: rows of a database or of the built-in table, in one frame, accepted or rejected."""
