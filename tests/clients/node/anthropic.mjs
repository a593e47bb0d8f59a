// Anthropic's client for Node, led by the environment alone: a message whole and streamed, and its own agent.
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";

const client = new Anthropic({ maxRetries: 0 });
const prompt = 'Add 2 and 40, and tell the weather in "Turin".';
const asked = { model: "claude-sonnet-4-5", max_tokens: 300, messages: [{ role: "user", content: prompt }] };
const ran = [];

function made(name, properties, run) {
  const inputSchema = { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
  return betaTool({ name, description: name, inputSchema, run });
}

const tools = [
  made("add", { a: { type: "integer" }, b: { type: "integer" } }, ({ a, b }) => (ran.push(["add", a, b]), String(a + b))),
  made("weather", { city: { type: "string" } }, ({ city }) => (ran.push(["weather", city]), "sunny")),
];
const whole = await client.messages.create(asked);
const streamed = await client.messages.stream(asked).finalMessage();
const last = await client.beta.messages.toolRunner({ ...asked, tools }).runUntilDone();
console.log(
  JSON.stringify({
    whole: whole.content[0].text,
    streamed: streamed.content[0].text,
    counted: [whole.usage.input_tokens, streamed.usage.input_tokens],
    ran,
    ended: last.stop_reason,
  }),
);
