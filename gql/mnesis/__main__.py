"""``python -m mnesis`` is the command ``mnesis``."""

from mnesis.cli import main

if __name__ == "__main__":
    main()
