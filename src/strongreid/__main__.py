"""`python -m strongreid` is the command `strongreid`."""

import sys

from strongreid.cli import main

sys.exit(main())
