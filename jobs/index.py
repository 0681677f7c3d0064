"""Submit with `ray job submit -- python jobs/index.py --config configs/index.yaml --run.address auto`."""

import sys

from facebatch.cli import main

if __name__ == "__main__":
    main(["index", *sys.argv[1:]])
