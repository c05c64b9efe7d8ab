"""Provenance: how and from what a result was made, and what makes it again."""
