"""The words of the trade as values: leads, calls, agents, policies, events and commands. No behaviour with a side effect."""
