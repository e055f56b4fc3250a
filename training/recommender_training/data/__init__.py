"""The lake of Delta tables, its snapshots, and the columnar data set of a training."""
