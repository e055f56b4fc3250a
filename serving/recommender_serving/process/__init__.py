"""Start, warm up and stop the server."""
