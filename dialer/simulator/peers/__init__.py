"""Other dialers' pacing, re-implemented from its described behaviour, to be measured under the same conditions."""
