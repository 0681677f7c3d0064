"""Submit with `ray job submit -- python jobs/embed.py --config configs/embed.yaml --run.address auto`."""

import sys

from facebatch.cli import main

if __name__ == "__main__":
    main(["embed", *sys.argv[1:]])
