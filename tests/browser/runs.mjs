// The runs whose pages are looked at, each made by the built program.
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { until } from "./program.mjs";

/** A finished run of two models with duplicates and refused requests. */
export async function simulatedRun(program) {
  const run = program.at("simulated");
  const config = program.at("two-models.toml");
  await writeFile(config, 'phases = "instructions+responses"\n[responses]\nmodel = "simulated-strong"\nprice_in = 1\nprice_out = 4\n');
  const faults = ["--simulated-latency-ms", "5", "--simulated-faults", "429:0.05,drop:0.05"];
  const args = ["--provider", "simulated", "--yes", "--target", "200", "--config", config, ...faults];
  await program.run(["generate", "--run", run, ...args]);
  return run;
}

/** A run that goes on until it is ended. */
export async function runUnderWay(program) {
  const run = program.at("under-way");
  const args = ["--provider", "simulated", "--yes", "--target", "1000000", "--phases", "tasks"];
  const slowly = ["--simulated-latency-ms", "300", "--concurrency", "8"];
  const child = program.start(["generate", "--run", run, ...args, ...slowly]);
  await until("the first tasks", async () => {
    if (child.exitCode !== null) throw new Error(`generate ended early:\n${child.said}`);
    return /accepted\D+[1-9]/.test(child.said);
  });
  return run;
}

/** What the hostile run's pages must show as the text that it is. */
export const SHOWN_AS_TEXT = ["</script><script>alert(1)</script>", "</textarea></title><svg onload=alert(1)>"];

const HOSTILE = [
  "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
  "]]> --> <!-- </style> </textarea></title><svg onload=alert(1)>",
  "\" onmouseover=\"alert(1)\" x='",
  "javascript:alert(1) <a href='javascript:alert(1)'>click</a> <iframe src='https://evil.example'></iframe>",
  "\u202etxet desrever\u2066 שלום \u2069مرحبا بالعالم",
  "\u0001\u001b[31mred\u0007\r\n\u0085\ufeff\u200b\uffff",
  "👩‍👩‍👧 e\u0301\u0301\u0301\u0301\u0301 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
  "&lt;b&gt; &amp;amp; &#x3c;script&#x3e;",
  `<${"x".repeat(100_000)}>`,
  `<${"y".repeat(15_000)}>`,
  "\u202e<'\"&>".repeat(20_000),
];

/** A run whose every text, and whose model's name, comes from a server that means no good. */
export async function hostileRun(program) {
  const run = program.at("hostile");
  const url = await serveHostileAnswers(program);
  const model = ["--model", "<b>m</b>\u202e<script>alert(2)</script>", "--price-in", "0", "--price-out", "0"];
  const args = ["--provider", "llamacpp", "--base-url", url, ...model];
  await program.run(["generate", "--run", run, "--yes", "--max-requests", "3", "--phases", "tasks", ...args]);
  return run;
}

async function serveHostileAnswers(program) {
  const openings = [
    "Translate these words", "Summarise what stands below", "Find a mistake here", "Say politely", "Explain to a child",
    "Sort by length", "Count all vowels", "Name the language", "Put into a table", "Continue this story", "Give a title",
  ];
  const tasks = HOSTILE.flatMap((text, index) => [
    { instruction: `${openings[index]}: ${text.slice(0, 90)}`, input: text, output: `My answer: ${text}` },
    { instruction: text, input: "", output: text },
  ]);
  const message = { role: "assistant", content: JSON.stringify({ tasks }) };
  const usage = { prompt_tokens: 900, completion_tokens: 900, total_tokens: 1800 };
  const answer = { object: "chat.completion", choices: [{ index: 0, message, finish_reason: "stop" }], usage };
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  program.afterwards(() => server.close());
  return `http://127.0.0.1:${server.address().port}/v1`;
}
