"""What the person who runs the command has to mend."""


class Complaint(Exception):
    """The text is all that person needs: what is wrong and what would help, with no secret in it.

    The command prints it and stops; a trace would only hide it.
    """
