"""Specimens: flakes of a material with defects and tilt, what lies below them and on top."""
