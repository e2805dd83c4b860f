"""What every part stands on: errors, weight files, devices."""
