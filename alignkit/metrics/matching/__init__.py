"""Which unit of one system is which unit of another."""
