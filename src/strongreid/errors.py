"""The one exception for what the user can mend: it says what came, what is allowed and what to do next.

The command line prints it without a traceback and exits with code 2; everything else is a defect of ours and keeps
its traceback.
"""


class InputError(ValueError):
    """Input that cannot be used: a folder, a file, an array, a setting. The message is complete sentences."""
