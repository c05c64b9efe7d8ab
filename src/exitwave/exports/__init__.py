"""Data sets in other programs' formats: what is exported, and one file for each format."""
