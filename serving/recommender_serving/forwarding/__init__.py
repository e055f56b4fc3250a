"""Forward a request to the version of an experiment that should answer it."""
