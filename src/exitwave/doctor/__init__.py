"""The doctor: whether all is here that a run needs."""
