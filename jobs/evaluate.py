"""Submit with `ray job submit -- python jobs/evaluate.py --config configs/evaluate.yaml --run.address auto`."""

import sys

from facebatch.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
