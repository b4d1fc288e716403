"""Adapters to telephone networks: they translate and report, they never decide."""
