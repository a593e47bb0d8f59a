"""Modal: names of what is deployed there, and the work that its SDK does for us. Only `sdk.py` imports the SDK."""
