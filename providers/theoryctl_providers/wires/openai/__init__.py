"""OpenAI's HTTP API in front of the engine: requests become its inputs, its events become OpenAI's answers.

The formats are those of https://platform.openai.com/docs/api-reference, held against the types of OpenAI's own client.
"""
