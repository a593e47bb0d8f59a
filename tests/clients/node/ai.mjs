// The AI SDK, an agent framework, led by the environment alone: by OpenAI's Responses, which it prefers, and by chat.
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

const { embeddings } = await embedMany({ model: openai.embedding("text-embedding-3-small"), values: ["a", "b"] });
console.log(
  JSON.stringify({
    responses: await answers(openai("gpt-4o-mini")),
    chat: await answers(openai.chat("gpt-4o-mini")),
    sizes: embeddings.map((each) => each.length),
  }),
);
