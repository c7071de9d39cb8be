"""What networks are trained to: contrastive losses, regression, classes."""
