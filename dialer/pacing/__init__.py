"""How many calls to start now."""
