"""Figures: pictures with captions, each kind in a module of its own."""
