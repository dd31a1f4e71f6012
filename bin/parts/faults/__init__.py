"""The fault campaign: a world of real parts, something that breaks in it, and a judge who stands outside the program (`bin/faults`)."""
