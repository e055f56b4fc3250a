"""Notifications to people and programs outside the cluster, and their pace. Pure."""
