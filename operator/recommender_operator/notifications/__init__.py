"""What people are told outside the cluster, and how often. Pure."""
