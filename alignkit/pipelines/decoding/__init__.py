"""Decoding a recording, end to end: configuration, parts, decoders, windows, report, new recordings."""
