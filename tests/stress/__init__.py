"""Long campaigns, run by `make stress`; a short sample of each runs with the other tests."""
