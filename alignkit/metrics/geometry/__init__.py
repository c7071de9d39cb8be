"""The geometry of one representation: dimension, spectrum, capacity, sparsity, curvature."""
