"""Representational dissimilarity matrices: computed, compared, weighted, transformed."""
