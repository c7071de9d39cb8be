"""Maps between subjects' responses: Procrustes, ridge, shared response model, hyperalignment."""
