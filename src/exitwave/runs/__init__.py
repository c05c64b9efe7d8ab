"""Runs: what one will do and cost, how far it is, what its jobs used."""
