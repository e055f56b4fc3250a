"""What is sent to people outside the cluster, and how often. Pure."""
