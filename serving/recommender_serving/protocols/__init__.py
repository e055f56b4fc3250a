"""KServe's v1 and v2 protocols over REST and gRPC."""
