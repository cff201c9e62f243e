"""`python -m itop_tui`: the same as `itop`."""

from itop_tui.cli import main

if __name__ == "__main__":
    main()
