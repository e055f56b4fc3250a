"""The servers of REST and gRPC, and the description of the endpoint."""
