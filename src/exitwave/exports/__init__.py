"""Data sets and networks in other programs' formats: what is exported, and how."""

NETWORK_FORMATS = ("onnx",)
"""Formats that `exitwave.exports.network` writes; those of data sets are modules of ``formats``."""
