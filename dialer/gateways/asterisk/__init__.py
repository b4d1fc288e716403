"""Asterisk as a gateway, by its REST interface (ARI): docs/asterisk.md explains it."""
