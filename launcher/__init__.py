"""The program behind ./run: installs the packages, starts every server on this machine, and shows that they work."""
