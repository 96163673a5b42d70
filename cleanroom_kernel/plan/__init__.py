"""What may be asked. Pure values, valid once built; no data, no I/O."""
