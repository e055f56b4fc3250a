"""The online store of users: its layout and its reader."""
