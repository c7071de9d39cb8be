"""Representational graphs, their discrete curvatures and the Ricci flow."""
