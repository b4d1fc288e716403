"""Pacing under a cap: predictive dialing against the exact optimum, known parameters, shifts and other dialers.

One rule governs this package: everybody dials the same people with the same agents (common random numbers), through the
same engine, and is judged by the same figures. Nothing here knows a scenario by its name but the scenario itself.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before numpy is loaded
