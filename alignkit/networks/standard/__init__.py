"""Standard networks: transformers, timm and torchvision, trained or with seeded random weights."""
