"""`python -m facematch` is the same as the command `facematch`."""

from facematch.cli.app import main

if __name__ == "__main__":
    main()
