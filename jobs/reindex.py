"""Submit with `ray job submit -- python jobs/reindex.py --config configs/reindex.yaml --run.address auto`."""

import sys

from facebatch.cli import main

if __name__ == "__main__":
    main(["reindex", *sys.argv[1:]])
