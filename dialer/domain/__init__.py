"""The words of the trade as values: leads, calls, agents, policies, events and commands. Nothing has a side effect."""
