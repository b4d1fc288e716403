"""Python's search for cycles of garbage, kept from standing in the way of a call.

One rule governs this module: what is long-lived is not looked through again and again. Nearly all that the daemon makes
goes by itself, and the cycles that it does make die young. A search through everything takes a tenth of a second for
150,000 objects, holds up all threads meanwhile, and at 200 calls a second five minutes of them are half a million.
"""

import gc

_YOUNG = 2_000  # objects made and not gone: then the youngest are looked through
_MIDDLE = 20  # such searches: then also what they left
_OLD = 1_000  # of those: then everything, some times a day at most


def avoid() -> None:
    """Set aside what was made so far, and look through everything but rarely. To be called once all is set up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
