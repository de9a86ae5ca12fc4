"""``python -m rollforward`` is the program ``rollforward``."""

import sys

from rollforward.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
