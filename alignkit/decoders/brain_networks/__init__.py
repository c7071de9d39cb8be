"""Networks that read signals of the brain, one file each."""
