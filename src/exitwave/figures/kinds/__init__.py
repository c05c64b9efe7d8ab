"""Figures: one file for each kind that the configuration may ask for."""
