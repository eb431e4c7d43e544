"""`python -m respike`, which `torchrun -m respike` starts too."""

import sys

from respike.cli import main

sys.exit(main())
