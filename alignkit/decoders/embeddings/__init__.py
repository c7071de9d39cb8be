"""Contrastive embeddings of neural populations, and how alike they are across sessions."""
