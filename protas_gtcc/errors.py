"""The one error that a user, not a programmer, is expected to read."""


class InputError(Exception):
    """The input or the data is at fault.

    The message is one line: what was expected, what came, where, and the way out. Commands print it on
    standard error without a traceback and exit with code 1.
    """
