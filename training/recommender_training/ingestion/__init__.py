"""Raw files become rows of the lake; what is no valid row is quarantined."""
