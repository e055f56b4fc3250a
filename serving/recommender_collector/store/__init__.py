"""The online store of users."""
