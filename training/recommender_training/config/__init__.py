"""Sections of the resource that the Job receives, and what they allow."""
