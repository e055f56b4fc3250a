"""Raw files, Delta tables and the columnar data set that training reads."""
