"""What a report can fail of by the user's mistake."""


class ReportError(Exception):
    """One message: what is wrong, where, what was expected, what was found. Exit status 2."""
