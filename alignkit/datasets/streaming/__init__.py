"""Recordings larger than memory: sharded on disk, iterated as torch batches."""
