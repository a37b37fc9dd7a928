// Runs the built program, and ends what it left running.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export class Program {
  #path;
  #folder;
  #started = [];
  #closed = [];

  constructor(path, folder) {
    this.#path = path;
    this.#folder = folder;
  }

  /** A path in the folder of this check. */
  at(name) {
    return join(this.#folder, name);
  }

  /** Starts a command; what it says is in `said`. */
  start(args) {
    const child = spawn(this.#path, args, { cwd: this.#folder, stdio: ["ignore", "ignore", "pipe"] });
    child.said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (child.said += text));
    this.#started.push(child);
    return child;
  }

  /** Runs a command to its end, which must be a success. */
  async run(args) {
    const child = this.start(args);
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`instructmill ${args.join(" ")} ended with ${code}:\n${child.said}`);
  }

  /** Writes the report of a run and gives its path. */
  async report(run) {
    const path = `${run}.html`;
    await this.run(["report", "--run", run, "--output", path]);
    return path;
  }

  /** Starts the viewer of a run; its address, as soon as all rows can be searched. */
  async view(run) {
    const child = this.start(["view", "--run", run]);
    const address = await until(`a viewer of ${run}`, () => child.said.match(/http:\S+/)?.[0]);
    await until("the index", async () => {
      const live = await (await fetch(`${address}live`)).json();
      return live.complete || live.running;
    });
    return address;
  }

  /** Called at the end, after all commands have ended. */
  afterwards(close) {
    this.#closed.push(close);
  }

  async endAll() {
    for (const child of this.#started.filter((child) => child.exitCode === null && child.signalCode === null)) {
      child.kill("SIGKILL");
      await once(child, "close");
    }
    this.#closed.forEach((close) => close());
  }
}

/** Asks again until there is an answer. */
export async function until(what, ask) {
  for (let turn = 0; turn < 600; turn += 1) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`waited in vain for ${what}`);
}
