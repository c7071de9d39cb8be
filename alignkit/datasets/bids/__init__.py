"""BIDS folders: scanned once, selected by entities, read into recordings."""
