"""``python -m dolmen.gateway.maintenance.rebuild``."""

import sys

from dolmen.gateway.maintenance.rebuild.command import main

sys.exit(main(sys.argv[1:]))
