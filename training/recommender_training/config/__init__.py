"""Sections of the resource that the Job receives: fields, defaults and limits."""
