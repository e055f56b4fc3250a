"""The content-addressed artifact: written once, verified by digest, published by rename."""
