"""What is said to a user whose request cannot be met."""


class RefusedError(ValueError):
    """A request that cannot be met: the message is the one line that the user sees."""
