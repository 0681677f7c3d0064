"""Submit with `ray job submit -- python jobs/expire.py --config configs/expire.yaml --run.address auto --delete`.

Without `--delete` it prints what it would erase.
"""

import sys

from facebatch.cli import main

if __name__ == "__main__":
    main(["expire", *sys.argv[1:]])
