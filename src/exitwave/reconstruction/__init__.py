"""Reconstruction of exit waves from focal series without a network."""
