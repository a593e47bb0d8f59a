"""The commands: each parses strings to types, calls one function, and emits what it returns."""
