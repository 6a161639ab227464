"""Executables of ours that behave as Docker, conda, nvidia-smi and DeepISLES do, and fail as they fail."""
