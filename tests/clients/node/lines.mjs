// The line protocol of all programs here: a command is a line of JSON on standard input, {"id", "do", ...}; its result
// is {"id", "result"} or {"id", "error"} on standard output. What a client says in between is {"said": {...}}.
import { createInterface } from "node:readline";

const write = (value) => process.stdout.write(JSON.stringify(value) + "\n");

export const say = (record) => write({ said: record });

export function serve(perform) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { id, ...command } = JSON.parse(line);
    try {
      write({ id, result: (await perform(command)) ?? null });
    } catch (error) {
      write({ id, error: String(error?.message ?? error) });
    }
  });
  lines.on("close", () => process.exit(0));
}
