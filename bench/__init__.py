"""What Estiva promises of speed, measured against doing the same by hand, in the same run. One module a benchmark."""
