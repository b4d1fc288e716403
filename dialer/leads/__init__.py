"""Reading, cleaning and writing lead lists."""
