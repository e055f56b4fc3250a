"""Ingest raw files into the lake and quarantine invalid rows."""
