"""Visual front ends and cortical hierarchies."""
