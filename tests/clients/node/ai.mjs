// The AI SDK, an agent framework, led by the environment: by OpenAI's Responses, which it prefers, by chat, and by the APIs
// of Anthropic and Gemini, of which it takes the last one's address from its caller alone.
import { anthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { openai } from "@ai-sdk/openai";
import { embedMany, generateText, jsonSchema, Output, stepCountIs, streamText, tool, ToolLoopAgent } from "ai";

const prompt = 'Add 2 and 40, and tell the weather in "Turin".';

function object(properties) {
  return jsonSchema({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });
}

async function answers(model) {
  const ran = [];
  const tools = {
    add: tool({
      description: "Add two numbers.",
      inputSchema: object({ a: { type: "integer" }, b: { type: "integer" } }),
      execute: ({ a, b }) => (ran.push(["add", a, b]), a + b),
    }),
    weather: tool({
      description: "Tell the weather.",
      inputSchema: object({ city: { type: "string" } }),
      execute: ({ city }) => (ran.push(["weather", city]), "sunny"),
    }),
  };
  const agent = new ToolLoopAgent({ model, tools, stopWhen: stepCountIs(9) });
  const ended = await agent.generate({ prompt });
  const whole = await generateText({ model, prompt });
  const streamed = await streamText({ model, prompt }).text;
  const made = await generateText({ model, prompt, output: Output.object({ schema: object({ city: { type: "string" } }) }) });
  return {
    ran,
    ended: [ended.finishReason, ended.steps.length],
    whole: whole.text,
    streamed,
    made: made.output,
    usage: typeof whole.usage.outputTokens,
  };
}

const google = createGoogle({ baseURL: `${process.env.GOOGLE_GEMINI_BASE_URL}/v1beta`, apiKey: process.env.GEMINI_API_KEY });
const { embeddings } = await embedMany({ model: openai.embedding("text-embedding-3-small"), values: ["a", "b"] });
console.log(
  JSON.stringify({
    responses: await answers(openai("gpt-4o-mini")),
    chat: await answers(openai.chat("gpt-4o-mini")),
    anthropic: await answers(anthropic("claude-sonnet-4-5")),
    gemini: await answers(google("gemini-2.5-flash")),
    sizes: embeddings.map((each) => each.length),
  }),
);
