"""`python -m dockerfix` and the console script: finds out which command is meant."""

from __future__ import annotations

import sys


def main() -> None:
    from dockerfix.cli import start

    sys.exit(start(sys.argv[1:]))


if __name__ == "__main__":
    main()
