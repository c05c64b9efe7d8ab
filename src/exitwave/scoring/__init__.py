"""Scores: how far waves are from the truth, and which samples to look at."""
