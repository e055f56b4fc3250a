"""The pages: objects in, HTML out. No I/O, no clock."""
