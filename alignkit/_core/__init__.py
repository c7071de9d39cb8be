"""Leaf of the import graph: checks, registry, random state, progress, atomic files, exact hashing."""
