"""How many calls to start now: one pacer per pacing mode, and the governor that can only lower their answer."""
