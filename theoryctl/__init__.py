"""theoryctl: the same LLM provider in CI, on a laptop and in the cloud."""
