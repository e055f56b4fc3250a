"""What is sent to people and programs outside the cluster, and how often. Pure."""
