"""What the pages of the documentation show, and whether it is right."""
