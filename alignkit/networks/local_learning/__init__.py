"""Networks whose learning rules need no backpropagation."""
