"""The one error of this package."""

from dialer.errors import DialerError


class OutOfDomain(DialerError):
    """A number lies outside the range for which a formula means anything."""

    exit_code = 70
