"""Delta tables, snapshots of them, and the columnar data set that training reads."""
