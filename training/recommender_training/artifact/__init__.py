"""The content-addressed artifact: written once, verified by digest, published with a rename."""
