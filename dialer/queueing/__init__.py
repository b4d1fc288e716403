"""Mathematics only: every function is pure, cites its source and knows nothing of calls or campaigns."""
