"""Training of networks on small, named local sets."""
