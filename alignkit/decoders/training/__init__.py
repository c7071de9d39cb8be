"""Training: batches that stream from disk, augmentation, one thin Lightning module, files."""
