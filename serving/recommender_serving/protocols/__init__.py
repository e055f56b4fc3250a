"""The v1 and v2 inference protocols over REST and gRPC."""
