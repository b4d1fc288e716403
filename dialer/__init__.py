"""An outbound predictive dialer engine: one core, driven by a simulator, a sandbox or a telephone switch."""

__version__ = "0.1.0"
