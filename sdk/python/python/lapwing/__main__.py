"""`python -m lapwing`."""

import sys

from ._cli import main

sys.exit(main())
