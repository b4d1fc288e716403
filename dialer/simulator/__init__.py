"""The engine on a virtual clock, against a world of simulated people."""
