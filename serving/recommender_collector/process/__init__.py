"""Settings, start and shutdown."""
