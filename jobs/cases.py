"""Submit with `ray job submit -- python jobs/cases.py --config configs/cases.yaml --run.address auto`."""

import sys

from facebatch.cli import main

if __name__ == "__main__":
    main(["cases", *sys.argv[1:]])
