"""Pictures and tables of lockstep's runs and sweeps, as one HTML page."""
