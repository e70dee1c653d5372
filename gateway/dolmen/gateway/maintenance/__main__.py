"""``python -m dolmen.gateway.maintenance``."""

import sys

from dolmen.gateway.maintenance.app import main

sys.exit(main(sys.argv[1:]))
