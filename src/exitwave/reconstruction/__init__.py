"""Focal series from microscopes, and exit waves reconstructed from series without a network."""
