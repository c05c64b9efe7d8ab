"""Summaries: what each stage says of its result, in types that writer and readers share."""
