"""`lockstep report` runs this file; it stands beside the package so that no other place can shadow it."""

import sys

from lockstep_report.command import main

sys.exit(main())
