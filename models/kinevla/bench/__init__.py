"""How long a plan takes: measured per forward pass, per chunk and per action (see `measure`)."""
