"""Quality of recordings: what a path holds, and whether its data can be trusted."""
