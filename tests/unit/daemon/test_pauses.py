"""What the daemon does about Python's search for cycles."""

import gc

from dialer.daemon import pauses


def test_what_is_long_lived_is_not_looked_through_again() -> None:
    """What was made before is set aside, the young are searched as ever, and everything but rarely."""
    before = gc.get_threshold()
    try:
        pauses.avoid()
        young, middle, old = gc.get_threshold()
        assert gc.isenabled() and gc.get_freeze_count() > 10_000
        assert young <= 10_000 and young * middle * old >= 10_000_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
