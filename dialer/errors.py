"""The errors a user can meet. Every class carries the exit code that the command line returns for it.

A message says what was expected, what was found, where, and what to do.
"""


class DialerError(Exception):
    """Something went wrong that the operator can act on; the base of all errors raised on purpose."""

    exit_code = 1


class UsageError(DialerError):
    """The command line asked for something that does not exist or does not fit together."""

    exit_code = 2


class ConfigError(DialerError):
    """A configuration, campaign or world file is not valid; the message lists every fault with its place."""

    exit_code = 3


class PolicyError(DialerError):
    """A policy that was built in the program, not read from a file, holds values that no file could hold."""

    exit_code = 70


class ListError(DialerError):
    """A lead list as a whole cannot be read; nothing of it was loaded."""

    exit_code = 4


class StorageError(DialerError):
    """The database cannot be opened, read or written."""

    exit_code = 5


class DiskFull(StorageError):
    """There is no room for what is to be written: nothing of it was, and it can be tried again."""


class DatabaseLost(StorageError):
    """The database server cannot be reached, or ended a transaction half-way: it can be tried again."""


class Undrained(StorageError):
    """The daemon was told to end and could not drain, as nothing can be committed; the next start takes over."""


class LeaseLost(StorageError):
    """Another daemon owns what this one dialed for: it must order nothing more."""

    exit_code = 10


class DatabaseUnfit(StorageError):
    """The database is of another version or program, or not the one of before: nothing but a person changes that."""

    exit_code = 11


class ControlError(DialerError):
    """The running daemon cannot be reached, or refused a request."""

    exit_code = 6


class KeysError(DialerError):
    """The keyring is missing, unreadable or the wrong one for the database; nothing was read or written."""

    exit_code = 7


class EvidenceError(DialerError):
    """An evidence file, the log itself or the journal is not whole: something in it was changed, left out or moved."""

    exit_code = 8


class AccessRefused(DialerError):
    """The user has no right to see or take out whole numbers and names."""

    exit_code = 9


class IllegalTransition(DialerError):
    """A call, an agent or a campaign was told to do what its table of states does not allow."""

    exit_code = 70
