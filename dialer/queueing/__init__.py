"""Mathematics only: each function cites its source."""
