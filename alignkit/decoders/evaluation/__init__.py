"""Evaluation: held-out parts, retrieval, classes, and the card that says how it was done."""
