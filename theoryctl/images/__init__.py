"""The images that providers run from: which one, where it comes from, and how it is made."""
