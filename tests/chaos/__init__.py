"""Chaos for jobwire: kills, stops and cuts what a relay stands on, and counts independently what its clients got."""
