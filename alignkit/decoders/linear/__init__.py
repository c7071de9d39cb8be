"""Linear decoders: ridge to embeddings, logistic regression, discriminant analysis, over times and places."""
