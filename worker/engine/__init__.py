"""The deploy engine: pure Python on the standard library, with no clock, no sleep and no I/O but through `ContainerHost`."""
