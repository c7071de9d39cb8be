"""The topology of a representation: persistent homology and what compares it."""
