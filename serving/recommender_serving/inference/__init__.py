"""The messages of the open inference protocol over gRPC, as server and as client of Triton."""
