"""One module for each version of the database; the first line of each says what changes."""
