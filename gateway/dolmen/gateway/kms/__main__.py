"""``python -m dolmen.gateway.kms``."""

import sys

from dolmen.gateway.kms.command import main

sys.exit(main(sys.argv[1:]))
