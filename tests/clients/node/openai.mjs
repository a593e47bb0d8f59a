// OpenAI's client for Node, led by the environment alone.
import OpenAI, { BadRequestError } from "openai";

const client = new OpenAI();
const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "Say hello." }];
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "weather", parameters, strict: true } }];

const whole = await client.chat.completions.create({ model, messages });

const stream = client.chat.completions.stream({ model, messages });
const streamed = (await stream.finalMessage()).content;

const called = await client.chat.completions.create({ model, messages, tools, tool_choice: "required" });

const parsed = await client.chat.completions.parse({
  model,
  messages,
  response_format: { type: "json_schema", json_schema: { name: "place", schema: parameters, strict: true } },
});

const response = await client.responses.create({ model, input: "Say hello." });

let pieces = "";
for await (const event of await client.responses.create({ model, input: "Say hello.", stream: true })) {
  if (event.type === "response.output_text.delta") pieces += event.delta;
}

const embedded = await client.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"] });

const models = [];
for await (const each of client.models.list()) models.push(each.id);

let refused;
try {
  await client.chat.completions.create({ model, messages, temperature: 9 });
} catch (error) {
  refused = [error instanceof BadRequestError, error.status, error.param];
}

console.log(
  JSON.stringify({
    whole: whole.choices[0].message.content,
    streamed,
    called: called.choices[0].message.tool_calls.map((call) => call.function.name),
    parsed: parsed.choices[0].message.parsed ?? JSON.parse(parsed.choices[0].message.content),
    response: response.output_text,
    pieces,
    sizes: embedded.data.map((each) => each.embedding.length),
    models,
    refused,
  }),
);
