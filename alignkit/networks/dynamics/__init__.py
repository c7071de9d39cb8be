"""Networks whose dynamics hold what they remember."""
