"""``python -m dolmen.gateway.metadata.command``."""

import sys

from dolmen.gateway.metadata.command.run import main

sys.exit(main(sys.argv[1:]))
