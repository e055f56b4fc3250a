"""Read and verify the files of an artifact."""
