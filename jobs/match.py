"""Submit with `ray job submit -- python jobs/match.py --config configs/match.yaml --run.address auto`."""

import sys

from facebatch.cli import main

if __name__ == "__main__":
    main(["match", *sys.argv[1:]])
