"""`python -m core …`: the command line's door."""

from core.cli import main

if __name__ == "__main__":
    main()
