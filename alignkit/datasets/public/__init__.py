"""Public sets: one file each, with declared facts and the layout that its owners publish."""
